"""A region's picture at a gateway: whatever is lost, what sessions are shown adds up to
what there is within their bounds.
"""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct

from gateway.fanout.picture import Picture, View
from gateway.fanout.sync import IN_STEP, UNKNOWN
from schemas.codec import decode, encode
from schemas.trips import Position
from schemas.watching import Bounds, DriverRow, Glimpse, is_within

FIGURES = b'{"free":1}'


class Leader:
    """Tells rounds of what there is, in shares of one item."""

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = epoch
        self.n = 0
        self.drivers: dict[str, DriverRow] = {}
        self.trips: dict[str, bytes] = {}
        self._told: tuple[dict[str, DriverRow], dict[str, bytes]] = ({}, {})

    def round(self, *, whole: bool) -> Iterator[Glimpse]:
        drivers, trips = ({}, {}) if whole else self._told
        shares: list[dict[str, Any]] = [
            *({"drivers": [r]} for d, r in self.drivers.items() if drivers.get(d) != r),
            *({"gone": [d]} for d in drivers if d not in self.drivers),
            *({"trips": [Raw(t)]} for i, t in self.trips.items() if trips.get(i) != t),
            *({"ended": [i]} for i in trips if i not in self.trips),
        ]
        self._told = dict(self.drivers), dict(self.trips)
        shares.append({"ends": True, "figures": Raw(FIGURES)})
        for index, share in enumerate(shares):
            self.n += 1
            begins = index == 0
            one = Glimpse(self.epoch, self.n, begins=begins, whole=whole, **share)
            yield decode(encode(one), Glimpse)  # as it comes over NATS


class Client:
    """What a session has put together."""

    def __init__(self, bounds: Bounds | None) -> None:
        self.view = View(bounds)
        self.drivers: dict[str, DriverRow] = {}
        self.trips: dict[str, bytes] = {}

    def look(self, picture: Picture, now_s: float) -> None:
        news = picture.news(self.view, now_s)
        self.view = news.view
        for row in (decode(one, DriverRow) for one in news.told.drivers):
            self.drivers[row.id] = row
        for gone in news.told.gone:
            del self.drivers[decode(gone, str)]
        for trip in news.told.trips:
            self.trips[decode(trip, dict[str, Any])["id"]] = trip
        for ended in news.told.ended:
            del self.trips[decode(ended, str)]

    def sees(self, leader: Leader) -> None:
        bounds = self.view.bounds
        assert self.drivers == {
            driver: row
            for driver, row in leader.drivers.items()
            if is_within(bounds, row.lat, row.lon)
        }
        assert self.trips == {
            trip: encoded
            for trip, encoded in leader.trips.items()
            if is_within(bounds, *_pick_up(encoded))
        }


def _pick_up(encoded: bytes) -> tuple[float | None, float | None]:
    place = decode(encoded, dict[str, Any])["pick_up"]
    return (None, None) if place is None else (place["lat"], place["lon"])


class Change(Struct):
    id: str
    place: tuple[float, float] | None
    there: bool
    word: str


DEGREES = st.tuples(st.sampled_from([-60, 0, 60]), st.sampled_from([-180, -90, 0, 90]))
CHANGES = st.builds(
    Change,
    st.sampled_from("abcdef"),
    DEGREES | st.none(),
    st.booleans(),
    st.sampled_from(["free", "busy"]),
)
BOUNDS = st.none() | st.tuples(
    st.sampled_from([-90.0, -30.0]),
    st.sampled_from([-180.0, -45.0, 45.0]),
    st.sampled_from([30.0, 90.0]),
    st.sampled_from([-135.0, 45.0, 180.0]),
)


def driver(name: str, place: tuple[float, float] | None, word: str) -> DriverRow:
    lat, lon = (None, None) if place is None else place
    return DriverRow(name, lat, lon, None, word, None, None if place is None else 0)


def trip(name: str, place: tuple[float, float] | None, word: str) -> bytes:
    pick_up = None if place is None else Position(*place)
    return encode({"id": name, "status": word, "pick_up": pick_up})


@settings(max_examples=300, deadline=None)
@given(st.data(), BOUNDS, BOUNDS)
def test_what_is_shown_adds_up_whatever_is_lost_and_whoever_leads(
    data: st.DataObject, bounds: Bounds | None, others: Bounds | None
) -> None:
    leader, picture = Leader(), Picture()
    prompt, slow = Client(bounds), Client(others)
    wants_whole = True
    for _ in range(data.draw(st.integers(1, 8), "rounds")):
        if data.draw(st.integers(0, 9), "take-over") == 0:
            drivers, trips = leader.drivers, leader.trips
            leader, wants_whole = Leader(leader.epoch + 1), True
            leader.drivers, leader.trips = drivers, trips
        for change in data.draw(st.lists(CHANGES, max_size=5), "changes"):
            leader.drivers.pop(change.id, None)
            leader.trips.pop(change.id, None)
            if change.there:
                made = change.id, change.place, change.word
                leader.drivers[change.id] = driver(*made)
                leader.trips[change.id] = trip(*made)
        lost = data.draw(st.none() | st.integers(0, 6), "lost")
        for index, said in enumerate(leader.round(whole=wants_whole)):
            if index != lost:
                picture.take(said, 0.0)
        wants_whole = not picture.is_whole
        if picture.is_whole and data.draw(st.booleans(), "looks"):
            prompt.look(picture, 0.0)
    for said in leader.round(whole=wants_whole):
        ended = picture.take(said, 0.0)
    if not ended:  # the very last was of a round whose beginning was lost
        assert taken(picture, leader.round(whole=True))[-1]
    for client in (prompt, slow):
        client.look(picture, 0.0)
        client.sees(leader)


def taken(picture: Picture, said: Iterator[Glimpse], now_s: float = 0.0) -> list[bool]:
    return [picture.take(one, now_s) for one in said]


def test_until_a_whole_round_has_come_nothing_is_known() -> None:
    leader, picture = Leader(), Picture()
    leader.drivers["a"] = driver("a", (0, 0), "free")
    assert not any(taken(picture, leader.round(whole=False)))
    assert picture.wants_whole
    first, last = leader.round(whole=True)
    assert picture.take(first, 0.0) is False
    assert (picture.sync, picture.wants_whole) == (UNKNOWN, False)
    assert picture.take(last, 0.0) is True
    assert picture.sync is IN_STEP


def test_what_comes_twice_or_from_a_leader_of_before_changes_nothing() -> None:
    old, picture = Leader(epoch=1), Picture()
    taken(picture, Leader(epoch=2).round(whole=True))
    turn = picture.turn
    old.drivers["a"] = driver("a", (0, 0), "free")
    assert not any(taken(picture, old.round(whole=True)))
    again = list(Leader(epoch=2).round(whole=True))
    assert not any(taken(picture, iter(again)))
    assert (picture.turn, picture.is_whole) == (turn, True)


def test_that_a_position_gets_older_is_no_news_but_its_age_is_right_when_shown() -> (
    None
):
    leader, picture = Leader(), Picture()
    leader.drivers["a"] = driver("a", (0, 0), "free")
    taken(picture, leader.round(whole=True), 100.0)
    early = Client(None)
    early.look(picture, 100.0)
    assert early.drivers["a"].age_s == 0
    assert not picture.news(early.view, 107.0).is_any
    late = Client(None)
    late.look(picture, 107.0)
    assert late.drivers["a"].age_s == 7
    # A round that tells the same, as of now, is no news either.
    taken(picture, leader.round(whole=True), 110.0)
    assert not picture.news(early.view, 110.0).is_any


def test_who_goes_out_of_bounds_is_gone_and_who_comes_in_is_new() -> None:
    leader, picture = Leader(), Picture()
    client = Client((0, 0, 10, 10))
    leader.drivers["a"] = driver("a", (5, 5), "free")
    leader.trips["t"] = trip("t", (5, 5), "REQUESTED")
    leader.trips["nowhere"] = trip("nowhere", None, "REQUESTED")
    taken(picture, leader.round(whole=True))
    client.look(picture, 0.0)
    assert (list(client.drivers), list(client.trips)) == (["a"], ["t"])
    leader.drivers["a"] = driver("a", (5, 11), "free")
    leader.drivers["b"] = driver("b", (6, 6), "busy")
    taken(picture, leader.round(whole=False))
    news = picture.news(client.view, 0.0)
    assert (news.told.gone, news.told.ended) == ([b'"a"'], [])
    assert [decode(one, DriverRow).id for one in news.told.drivers] == ["b"]
