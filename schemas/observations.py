"""What a leader saw and nobody rests on, for who asks later why: its rounds, and where
the drivers of active trips were. On `matches.<region>`, in the stream MATCHES; not
waited for, so that one may be lost with its leader.
"""

from base64 import b64encode
from hashlib import blake2b

from msgspec import Raw, Struct

from schemas.matching import Judged

VERSION = 1
OBSERVATIONS_BYTES_MAX = 256 * 1024
"""Of one message, a quarter of the server's default `max_payload`; what doesn't fit
goes into the next."""
MATCHES_BYTES_MAX = 1024 * 1024 * 1024
"""Of the stream, over all regions; beyond it the oldest go, which are in the database
long before."""
ROUND_BYTES_MAX = 32 * 1024
"""Of one `Round`: some 130 drivers of 100 bytes, and marks."""
FEW = 128
"""Where no more drivers are free, all of them are listed with their figures; a city of
500 has some 130 within reach of a pick-up (DISPATCH.md)."""
OTHERS_MAX = 24
"""Where they are more: drivers listed of one round, beyond `RANKED_MAX`."""
MARKS_MAX = 3_000
"""Drivers told of one by their marks alone: 18 KB."""
MARK_CHARS = 6
"""36 bits: of 3,000 marks one is another driver's in one of 20 million questions."""


def mark_of(driver: str) -> str:
    """A driver in a few characters."""
    return b64encode(blake2b(driver.encode(), digest_size=6).digest())[:6].decode()


class Other(Struct, frozen=True, array_like=True):
    """A `Judged` in as few bytes as may be: it comes a hundred times a round."""

    driver: str
    verdict: str
    pick_up_eta_s: int | None = None
    pick_up_distance_m: int | None = None
    cost_s: int | None = None
    position_age_s: int | None = None
    trip: str | None = None


class Round(Struct, frozen=True, omit_defaults=True):
    """One trip in one round of the matcher: an offer came of it, or a driver went to
    another trip.

    Of drivers who were free (no verdict before `position_missing` held) the cheapest
    are `ranked`; `others` has more of them, with their figures. The rest is told by
    verdict: `marks` has the marks of those of all verdicts but one, put together (who
    is listed, or passed the trip, may be in it, too, and is no rest), and that one is
    `unlisted`: of who is nowhere in it. Empty: they are too many to be told. Who lacks
    what the trip needs, which the ledger knows, and is neither stale nor missing is in
    none.
    """

    seq: int
    """Of the `OfferEvent` that came of it, or that took the first of the drivers."""
    before_seq: int
    """What was known is what the ledger had before that."""
    trip: str
    rider: str
    round: int
    """The offer's, or that of the next offer of this trip."""
    at_ms: int
    considered: int
    excluded: dict[str, int]
    ranked: list[Judged]
    others: list[Other] = []
    marks: dict[str, str] = {}
    unlisted: str = ""


class Crumb(Struct, frozen=True, array_like=True):
    """Where the driver of an active trip was. `at_ms`: the fix's own, at most when it
    arrived.
    """

    trip: str
    rider: str
    driver: str
    lat: float
    lon: float
    at_ms: int


class Observations(Struct, frozen=True, omit_defaults=True):
    """One message."""

    v: int
    """`VERSION`; who meets a newer one leaves it to a newer worker."""
    ledger: str
    """The ledger that `seq` and `before_seq` are of."""
    rounds: list[Round] = []
    crumbs: list[Crumb] = []


class ObservationsOut(Struct, frozen=True, omit_defaults=True):
    """The same, its parts encoded."""

    v: int
    ledger: str
    rounds: list[Raw] = []
    crumbs: list[Raw] = []


CRUMB_S = 5
CRUMB_M = 50
"""A crumb each so long or so far, whichever comes first (issue 16)."""
CRUMB_LEAST_S = 1
"""And no more often: 50 m in one are 180 km/h, and fixes may come 100 times in one."""
