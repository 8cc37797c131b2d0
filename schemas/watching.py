"""What operators watch: drivers, trips and figures of a region, as they are now.

`watched.<region>` (leader to gateways) carries a `Glimpse`: a share of one round. The
leader makes a round a second while a gateway says in its heartbeat that somebody there
watches (`Presence.watch`). Numbers are dense, so that a hole shows; a whole round fills
it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from schemas.budget import MESSAGE_BYTES_MAX
from schemas.codec import OptionalRaw, Raw
from schemas.trips import Latitude, Longitude, Position, Trip

PIECE_BYTES_MAX = MESSAGE_BYTES_MAX
"""PROTOCOL.md section 2: an `ops.update` is in pieces of 512 KiB at most; and so is
what NATS carries."""
_ENVELOPE_BYTES = 4 * 1024
"""What a piece has besides its items: `type`, `ref`, keys and the figures."""

Bounds = tuple[Latitude, Longitude, Latitude, Longitude]
"""South, west, north, east; degrees. West > east crosses the date line."""


class WatchData(Struct):
    """`ops.watch`. None: all there is, wherever it is."""

    bounds: Bounds | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None and self.bounds[0] > self.bounds[2]:
            msg = "bounds must not have its south (first) above its north (third)"
            raise ValueError(msg)


class DriverRow(Struct, frozen=True, array_like=True):
    """`state`: `free`, `offered`, `busy`, `stale` or `offline`. `trip`: the active one.
    Where no position is known, the position, its heading and its age are null.
    """

    id: str
    lat: float | None
    lon: float | None
    heading: float | None
    state: str
    trip: str | None
    age_s: int | None
    """Since the position arrived; that it grows is no news."""


class Figures(Struct, frozen=True):
    """Of the region, whatever the bounds. Times are whole seconds; the last ones are of
    what this leader saw of the last 15 minutes (offers a minute: of the last one), and
    null where there was nothing.
    """

    free: int
    offered: int
    busy: int
    stale: int
    requested: int
    """The sum of the next two."""
    matching: int
    broadcast: int
    started: int
    arrived: int
    in_progress: int
    scheduled: int
    oldest_unmatched_s: int
    """Since the longest open trip was opened; 0: none is."""
    offers_per_min: int
    accepted_share: float | None
    wait_p50_s: int | None
    wait_p95_s: int | None


class Update(Struct, frozen=True):
    """`ops.update`, as clients see it."""

    drivers: list[DriverRow]
    gone: list[str]
    trips: list[Trip]
    ended: list[str]
    figures: Figures


class Glimpse(Struct, frozen=True, omit_defaults=True):
    """Part `n` of what leader `epoch` tells; a round is from `begins` to `ends`, which
    has the figures. `whole`: of a round that tells all; who isn't named isn't there.
    """

    epoch: int
    n: int
    begins: bool = False
    ends: bool = False
    whole: bool = False
    drivers: list[DriverRow] = []
    gone: list[str] = []
    trips: list[Raw] = []
    """`Trip`s."""
    ended: list[str] = []
    figures: OptionalRaw = None


class TripHead(Struct, frozen=True):
    """As much of a trip as tells whether it is within bounds."""

    id: str
    pick_up: Position | None


class Told(NamedTuple):
    """The lists of an `ops.update`, or of a `Glimpse`: items already encoded."""

    drivers: list[bytes]
    gone: list[bytes]
    trips: list[bytes]
    ended: list[bytes]

    def __bool__(self) -> bool:
        return bool(self.drivers or self.gone or self.trips or self.ended)

    @property
    def lists(self) -> bytes:
        """As members of a JSON object."""
        return b'"drivers":[%b],"gone":[%b],"trips":[%b],"ended":[%b]' % (
            b",".join(self.drivers),
            b",".join(self.gone),
            b",".join(self.trips),
            b",".join(self.ended),
        )

    def in_pieces(
        self, bytes_max: int = PIECE_BYTES_MAX - _ENVELOPE_BYTES
    ) -> "Iterator[Told]":
        """The same in order, cut by bytes; one piece at least."""
        piece, size = nothing(), 0
        for which, items in enumerate(self):
            for item in items:
                if size and size + len(item) > bytes_max:
                    yield piece
                    piece, size = nothing(), 0
                piece[which].append(item)
                size += len(item) + 1
        yield piece


def nothing() -> Told:
    return Told([], [], [], [])


def is_within(bounds: Bounds | None, lat: float | None, lon: float | None) -> bool:
    """Without bounds anything is, also what is nowhere. 180 and -180 are one place."""
    if bounds is None:
        return True
    if lat is None or lon is None:
        return False
    south, west, north, east = bounds
    if not south <= lat <= north:
        return False
    return _spans(west, east, lon) or (abs(lon) == _EDGE and _spans(west, east, -lon))


def _spans(west: float, east: float, lon: float) -> bool:
    if west <= east:
        return west <= lon <= east
    return lon >= west or lon <= east


_EDGE = 180
