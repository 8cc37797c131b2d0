"""Who leads each region, by what leaders announce: for people who look after them.

Pure: monotonic seconds come in. Must not decide anything; a leader is who the fence
lets write, whatever is heard here.
"""

from msgspec import Struct

from schemas.commands import Announcement

REGIONS_MAX = 1_000
"""Far above any system's: only dispatchers may announce."""


class Led(Struct):
    """A region as its leader told of it last."""

    said: Announcement
    heard_s: float


class Leaders:
    def __init__(self) -> None:
        self._regions: dict[str, Led] = {}

    def hear(self, said: Announcement, now_s: float) -> None:
        """One of a leader that was deposed changes nothing."""
        known = self._regions.get(said.region)
        if known is None and len(self._regions) >= REGIONS_MAX:
            return
        if known is None or said.epoch >= known.said.epoch:
            self._regions[said.region] = Led(said, now_s)

    def all(self) -> list[Led]:
        """By region's name."""
        return [self._regions[name] for name in sorted(self._regions)]
