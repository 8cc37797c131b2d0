"""Drivers' positions of one tick: the latest of each, in one message a region.

Pure; `send` publishes. Nothing comes back and nothing is kept after it is sent.
"""

from collections.abc import Callable

from schemas import codec
from schemas.commands import Fix


class Positions:
    __slots__ = ("_latest", "_most", "_send")

    def __init__(self, send: Callable[[str, bytes], bool], most: int) -> None:
        self._send = send
        self._most = most
        self._latest: dict[str, dict[str, Fix]] = {}

    def add(self, region: str, fix: Fix) -> None:
        self._latest.setdefault(region, {})[fix.driver] = fix

    def flush(self) -> None:
        """Send all. While NATS is away they are dropped: newer ones will come."""
        latest, self._latest = self._latest, {}
        for region, by_driver in latest.items():
            fixes = list(by_driver.values())
            for first in range(0, len(fixes), self._most):
                self._send(region, codec.encode(fixes[first : first + self._most]))
