"""Starts a nats-server again whose disk was full, as soon as there is room.

A JetStream stream that once failed to write takes nothing more until its server is
started again, and doesn't even answer (nats-server pull request 7788; measured on
2.15.1: no acknowledgement, room or not). Nothing of what failed is in the store
afterwards, whether the server ended by SIGTERM or SIGKILL.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from cabrank.stack.supervisor import Supervised, say

LOOK_S = 0.5
FULL_BYTES = 64 * 1024
"""With less than that left the server has met, or is about to meet, a failing write."""
ROOM_BYTES = 16 * 1024 * 1024
"""Two blocks of a stream (8 MiB each): less is full again at once."""
FAILED = (b"ritical write error", b"out of resources, will be DISABLED")
"""What the server logs, where its log is not on the full disk itself."""


class Patient:
    """One server; `log` and the disk of `store` are looked at from now on."""

    def __init__(self, server: Supervised, store: Path) -> None:
        self.server = server
        self._store = store
        self._read_to = self._log_bytes()
        self._has_failed = False

    def is_to_start_again(self) -> bool:
        left = self._bytes_left()
        if left < FULL_BYTES or self._says_so():
            self._has_failed = True
        if self._has_failed and left >= ROOM_BYTES:
            self._has_failed = False
            return True
        return False

    def _bytes_left(self) -> int:
        found = os.statvfs(self._store)
        return found.f_bavail * found.f_frsize

    def _says_so(self) -> bool:
        end = self._log_bytes()
        if end <= self._read_to:
            self._read_to = end
            return False
        with self.server.log.open("rb") as log:
            log.seek(self._read_to)
            text = log.read(end - self._read_to)
        self._read_to = end
        return any(words in text for words in FAILED)

    def _log_bytes(self) -> int:
        return self.server.log.stat().st_size if self.server.log.exists() else 0


async def watch(patients: Sequence[Patient]) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        for patient in patients:
            if patient.is_to_start_again():
                say(f"{patient.server.name} has room on its disk again")
                patient.server.start_again()
