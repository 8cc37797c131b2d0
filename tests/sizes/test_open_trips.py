"""A region's feed of the longest trips, at a gateway: what of it is kept to go back,
and for a leader's answer that comes later, is bounded in bytes (issue 12).
"""

import tracemalloc

from msgspec.structs import replace

from gateway.fanout.open_trips import BACK_MAX, KEPT_MAX, OpenTrips
from schemas.codec import Raw, decode, encode
from schemas.events import FeedEntry
from schemas.trips import OpenTrip
from tests.sizes.largest import ID, TRIP
from tests.sizes.rows import GATEWAY

(ROW,) = (row for row in GATEWAY if row.what.startswith("open trips of a region"))
OPEN = OpenTrip.of(replace(TRIP, driver=None))


def entry(n: int) -> list[FeedEntry]:
    """As it comes over NATS: half of them are trips that have been open before."""
    trip = replace(OPEN, id=f"{n % (KEPT_MAX * 2):08d}{ID[8:]}")
    made = FeedEntry(n, n, "trip.requested", (), Raw(encode(trip)))
    return decode(encode([made]), list[FeedEntry])


def test_a_feed_of_the_longest_trips_takes_no_more_than_its_row_says() -> None:
    known = OpenTrips()
    known.begin(0, Raw(b"[]"), whole=True)
    last = KEPT_MAX * 2 + BACK_MAX
    tracemalloc.start()
    try:
        for n in range(1, last + 1):
            known.take(entry(n))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < ROW.size
    assert known.at(last) is not None
    assert known.at(last - 60) is not None, "a record's longest trips can be taken back"
