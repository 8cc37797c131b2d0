"""Tells the stream MATCHES what a leader saw: rounds of records that are stored, and
crumbs. Not waited for, and never in the way of a record: what is too much is let go of.
"""

from collections.abc import Iterable

from msgspec import Raw

from dispatcher import metrics
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.budget import in_messages
from schemas.observations import (
    OBSERVATIONS_BYTES_MAX,
    VERSION,
    Crumb,
    ObservationsOut,
    Round,
)

HELD_BYTES_MAX = 4 * 1024 * 1024
"""Crumbs of 0.2 KB between two ticks: of 20,000 drivers who all moved."""
_PART_BYTES_MAX = OBSERVATIONS_BYTES_MAX - 1024


class Observing:
    """Of one lead."""

    def __init__(self, bus: Bus, region: str, ledger: str) -> None:
        self._bus = bus
        self._region = region
        self._subject = subjects.matches(region)
        self._ledger = ledger
        self._crumbs: list[bytes] = []
        self._held_bytes = 0

    def rounds(self, seen: Iterable[Round]) -> None:
        """Tell of them now."""
        made = map(codec.encode, seen)
        for part in in_messages(made, _PART_BYTES_MAX):
            self._send(ObservationsOut(VERSION, self._ledger, rounds=_raw(part)))

    def crumb(self, crumb: Crumb) -> None:
        """Tell of it at the next tick."""
        encoded = codec.encode(crumb)
        if self._held_bytes + len(encoded) > HELD_BYTES_MAX:
            metrics.observations_lost.labels(self._region).inc()
            return
        self._crumbs.append(encoded)
        self._held_bytes += len(encoded)

    def tick(self) -> None:
        crumbs, self._crumbs, self._held_bytes = self._crumbs, [], 0
        for part in in_messages(crumbs, _PART_BYTES_MAX):
            self._send(ObservationsOut(VERSION, self._ledger, crumbs=_raw(part)))

    def _send(self, made: ObservationsOut) -> None:
        if not self._bus.send(self._subject, codec.encode(made)):
            count = len(made.rounds) + len(made.crumbs)
            metrics.observations_lost.labels(self._region).inc(count)


def _raw(part: list[bytes]) -> list[Raw]:
    return [Raw(one) for one in part]
