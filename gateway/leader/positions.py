"""Drivers' positions of one tick: the latest of each, in one message a region.

Pure; `send` publishes. Nothing comes back and nothing is kept after it is sent.
"""

from collections.abc import Callable

from schemas.budget import as_list, in_messages
from schemas.codec import encode
from schemas.commands import Fix


class Positions:
    __slots__ = ("_latest", "_send")

    def __init__(self, send: Callable[[str, bytes], bool]) -> None:
        self._send = send
        self._latest: dict[str, dict[str, Fix]] = {}

    def add(self, region: str, fix: Fix) -> None:
        self._latest.setdefault(region, {})[fix.driver] = fix

    def flush(self) -> None:
        """Send all. While NATS is away they are dropped: newer ones will come."""
        latest, self._latest = self._latest, {}
        for region, by_driver in latest.items():
            for part in in_messages(map(encode, by_driver.values())):
                self._send(region, as_list(part))
