"""A gateway's own list of open trips is the leader's, at each number of the feed."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.fanout import open_trips
from gateway.fanout.open_trips import BACK_MAX, OpenTrips
from schemas import codec
from schemas.codec import Raw
from schemas.events import FeedEntry
from schemas.frames import OPEN_TRIPS_MAX

GIVEN = 150
"""Trips a leader tells in the model, so that it may be fewer than there are."""


class Leader:
    """What is open after each entry, the newest last."""

    def __init__(self, already: int = 0) -> None:
        self.open = {
            f"a{number}": version(f"a{number}", 0) for number in range(already)
        }
        self.entries: list[FeedEntry] = []
        self.history = [list(self.open.values())]

    def moves(self, trip: str, *, opens: bool) -> None:
        n = len(self.entries) + 1
        if opens:
            data = version(trip, n)
            self.open[trip] = data
            self.entries.append(FeedEntry(n, n, "trip.requested", (), Raw(data)))
        else:
            self.open.pop(trip, None)
            taken = Raw(codec.encode({"id": trip}))
            self.entries.append(FeedEntry(n, n, "trip.taken", (), taken))
        self.history.append(list(self.open.values()))

    def tells(self, known: OpenTrips, n: int) -> None:
        newest = self.history[n][::-1]
        known.begin(n, listed(newest[:GIVEN]), whole=len(newest) <= GIVEN)

    def shown(self, n: int) -> Raw:
        return listed(self.history[n][::-1][:OPEN_TRIPS_MAX])


def version(trip: str, n: int) -> bytes:
    return codec.encode({"id": trip, "version": n})


def listed(items: list[bytes]) -> Raw:
    return Raw(b"[" + b",".join(items) + b"]")


moves = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60)


@given(moves, st.sampled_from([0, 1, 99, 100, 140, 150, 160, 300]), st.data())
def test_it_is_the_leaders_list_at_every_number_that_it_knows(
    moves: list[tuple[int, bool]], already: int, data: st.DataObject
) -> None:
    leader = Leader(already)
    for number, opens in moves:
        # Some of those that were open already end, the newest among them.
        trip = f"a{already - 1 - number}" if number % 2 else f"t{number}"
        leader.moves(trip, opens=opens)
    last = len(leader.entries)
    begins = data.draw(st.integers(0, last))
    heard = data.draw(st.integers(0, last))
    known = OpenTrips()
    known.take(leader.entries[:heard])
    assert known.at(heard) is None
    leader.tells(known, begins)
    known.take(leader.entries[heard:])
    for n in range(last + 1):
        found = known.at(n)
        assert found is None or found == leader.shown(n)
        if n >= begins and len(leader.history[begins]) <= GIVEN:
            assert found is not None


def test_with_fewer_left_than_are_shown_and_others_untold_it_is_not_known() -> None:
    leader = Leader(already=300)
    known = OpenTrips()
    leader.tells(known, 0)
    for number in range(GIVEN - OPEN_TRIPS_MAX + 1):
        assert known.at(number) == leader.shown(number)
        leader.moves(f"a{299 - number}", opens=False)
        known.take(leader.entries[-1:])
    assert known.at(len(leader.entries)) is None
    leader.tells(known, len(leader.entries))
    assert known.at(len(leader.entries)) == leader.shown(len(leader.entries))


def test_after_a_hole_it_is_not_known_until_it_is_told_again() -> None:
    leader = Leader()
    for number in range(4):
        leader.moves(f"t{number}", opens=True)
    known = OpenTrips()
    leader.tells(known, 0)
    known.take(leader.entries[:1])
    known.take(leader.entries[2:])
    assert known.at(4) is None
    leader.tells(known, 2)  # asked before the last two came
    assert known.at(4) == leader.shown(4)


def test_it_holds_no_more_than_so_many_and_goes_back_no_further() -> None:
    leader = Leader()
    known = OpenTrips()
    leader.tells(known, 0)
    for number in range(open_trips.KEPT_MAX + BACK_MAX):
        leader.moves(f"t{number}", opens=True)
        known.take(leader.entries[-1:])
    last = len(leader.entries)
    assert len(known._trips) == open_trips.KEPT_MAX
    assert known.at(last) == leader.shown(last)
    assert known.at(last - BACK_MAX - 1) is None
