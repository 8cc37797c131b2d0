"""What the ledger says of a driver, and whether that makes them free. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from schemas.matching import Verdict

Duty = Verdict | None
"""Why a driver isn't free whatever the trip; None: they are, but for their position."""


class Standing(Struct, frozen=True, gc=False):
    """What the ledger knows of a driver; the defaults are a new driver's. `offers`:
    asked for them; `busy`: has an active trip; `offered`: has a live offer.
    """

    online: bool = True
    offers: bool = False
    busy: bool = False
    offered: bool = False
    idle_since_ms: int = 0
    """The later of the last trip's end and going online."""
    tags: frozenset[str] = frozenset()

    @property
    def is_free(self) -> bool:
        """But for their position."""
        return self.online and self.offers and not self.busy and not self.offered

    @property
    def duty(self) -> Duty:
        """The first that holds, but for what concerns one trip."""
        if not self.online:
            return Verdict.OFFLINE
        if self.busy:
            return Verdict.BUSY
        if self.offered:
            return Verdict.OFFER_PENDING
        return None if self.offers else Verdict.NO_OFFERS


NEW = Standing()
IDLE_S_MAX = 1_800
"""PROTOCOL.md section 7: seconds idle that count."""


def idle_s(standing: Standing, stamp_ms: int) -> int:
    """Seconds that count for credit."""
    return idles_s((standing,), stamp_ms)[0]


def idles_s(standings: Iterable[Standing], stamp_ms: int) -> list[int]:
    """The same of many."""
    at_ms, most = stamp_ms + 500, IDLE_S_MAX
    idles = [(at_ms - one.idle_since_ms) // 1000 for one in standings]
    return [most if idle > most else max(0, idle) for idle in idles]
