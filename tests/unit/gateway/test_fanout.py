"""Recipients, the feed and their merging: order, once, gaps; no sockets."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feed import Feed
from gateway.outbox import Steady
from gateway.recipient import Recipient, missed
from gateway.region import Listener, Region, Seat
from schemas import codec
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import FeedData, SyncData
from schemas.events import DriverPush, FeedEntry, TripPush
from schemas.trips import Role
from tests.contract.gateway_ws.leader import encoded_event, entry, raw, trip

STATUS = {1: "REQUESTED", 2: "STARTED", 3: "ARRIVED", 4: "IN_PROGRESS", 5: "COMPLETED"}


def push(seq: int, version: int, number: int = 1, kind: str = "trip.x") -> TripPush:
    return TripPush(seq, kind, raw(trip(number, version, STATUS[version])))


def state(seq: int, *trips: dict[str, Any], **more: Any) -> SyncData:
    given_ = {"recovered": False, "events": [], "online": True, "feed": 0, **more}
    return SyncData(seq=seq, trips=raw(list(trips)), open_trips=raw([]), **given_)


def synced(role: Role = Role.RIDER, *trips: dict[str, Any]) -> Recipient:
    recipient = Recipient("u1", role)
    assert recipient.start(state(100, *trips)) == []
    return recipient


# ---- recipients --------------------------------------------------------------


def test_pushes_before_the_first_sync_are_held_and_contained_ones_dropped() -> None:
    recipient = Recipient("u1", Role.RIDER)
    for seq, version in ((99, 1), (101, 2), (102, 3)):
        assert recipient.receive(push(seq, version)) is None
    frames = recipient.start(state(100, trip(1)))
    assert [seq for seq, _ in frames] == [101, 102]
    assert recipient.held is None


def test_repeats_are_dropped_by_seq() -> None:
    recipient = synced()
    assert recipient.receive(push(200, 1)) is not None
    assert recipient.receive(push(200, 1)) is None
    assert recipient.receive(push(100, 1, number=2)) is None
    assert recipient.held is None


@pytest.mark.parametrize(
    ("role", "version", "gap"),
    [
        (Role.RIDER, 1, False),
        (Role.RIDER, 2, True),
        (Role.DRIVER, 2, False),
        (Role.DRIVER, 3, True),
        (Role.DRIVER, 1, True),
    ],
)
def test_how_a_trip_may_begin_for_each_role(
    role: Role, version: int, gap: bool
) -> None:
    recipient = synced(role)
    frame = recipient.receive(push(200, version))
    assert (frame is None) is gap
    assert (recipient.held is not None) is gap


def test_an_ended_trip_is_forgotten() -> None:
    recipient = synced(Role.RIDER, trip(1, 4, "IN_PROGRESS"))
    assert recipient.receive(push(200, 5)) is not None
    assert recipient.trips == {}


def test_after_a_release_the_rider_goes_on_counting_and_the_driver_does_not() -> None:
    rider = synced(Role.RIDER, trip(1, 2, "STARTED"))
    driver = synced(Role.DRIVER, trip(1, 2, "STARTED"))
    released = TripPush(200, "trip.released", raw(trip(1, 3, "REQUESTED")))
    assert rider.receive(released) is not None
    assert driver.receive(released) is not None
    assert (len(rider.trips), len(driver.trips)) == (1, 0)
    again = TripPush(210, "trip.started", raw(trip(1, 4, "STARTED")))
    assert rider.receive(again) is not None
    later = TripPush(230, "trip.started", raw(trip(1, 6, "STARTED")))
    assert driver.receive(later) is not None


def test_a_settled_gap_delivers_what_was_missed_then_feed_and_held_by_seq() -> None:
    recipient = synced(Role.DRIVER, trip(1, 2, "STARTED"))
    assert recipient.receive(push(204, 4)) is None
    recipient.hold()
    recipient.held_feed.append((203, b"feed"))
    events = [encoded_event(202, "trip.arrived", trip(1, 3, "ARRIVED"))]
    data = state(202, trip(1, 3, "ARRIVED"), recovered=True, events=events)
    settled = recipient.settle(data)
    assert [seq for seq, _ in settled.frames] == [202, 203, 204]
    assert not settled.lost
    assert recipient.held is None
    assert not recipient.asking


def test_a_second_gap_among_what_was_held_is_seen() -> None:
    recipient = synced(Role.RIDER, trip(1, 1))
    recipient.receive(push(204, 4))
    recipient.hold()
    settled = recipient.settle(state(201, trip(1, 2, "STARTED"), recovered=True))
    assert settled.frames == []
    assert recipient.held is not None
    assert recipient.seq == 201


def test_a_new_session_s_sync_does_not_settle_a_gap() -> None:
    recipient = synced(Role.RIDER, trip(1, 1))
    recipient.receive(push(204, 4))
    recipient.hold()
    assert recipient.start(state(204, trip(1, 4, "IN_PROGRESS"))) == []
    assert recipient.held is not None


def test_a_driver_who_is_offline_gets_no_feed_that_was_held() -> None:
    recipient = Recipient("u1", Role.DRIVER)
    recipient.held_feed.append((101, b"feed"))
    assert recipient.start(state(100, online=False)) == []


def test_missed_events_are_frames_in_order() -> None:
    events = [encoded_event(7, "trip.requested", trip(1))]
    ((seq, frame),) = missed(state(100, recovered=True, events=events))
    assert seq == 7
    assert frame.endswith(b'"seq":7,"data":' + codec.encode(trip(1)) + b"}")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.booleans(),
)
def test_whatever_is_lost_or_repeated_a_session_gets_each_version_once_in_order(
    lost: list[bool], repeated: list[bool], held_by_sync: bool
) -> None:
    recipient = synced()
    got: list[int] = []

    def settle(at: int) -> None:
        events = [
            encoded_event(200 + v, "trip.x", trip(1, v, STATUS[v]))
            for v in range(1, at + 1)
            if 200 + v > recipient.seq
        ]
        live = [trip(1, at, STATUS[at])] if at < 5 else []
        recipient.hold()
        data = state(200 + at, *live, recovered=True, events=events)
        got.extend(seq - 200 for seq, _ in recipient.settle(data).frames)

    for version in range(1, 6):
        for copies in range(1 + repeated[version - 1]):
            if lost[version - 1] and not copies:
                continue
            if recipient.receive(push(200 + version, version)) is not None:
                got.append(version)
            if recipient.held is not None and not held_by_sync:
                settle(version)
    settle(5)
    assert got == [1, 2, 3, 4, 5]


# ---- the feed ----------------------------------------------------------------


def numbers(entries: list[FeedEntry]) -> list[int]:
    return [e.n for e in entries]


def test_an_unknown_feed_holds_until_it_is_known() -> None:
    feed = Feed()
    assert feed.receive([entry(5, 50, {}), entry(6, 51, {})]) == []
    assert not feed.must_ask
    assert numbers(feed.start(5)) == [6]
    assert feed.start(5) == []


def test_an_empty_feed_starts_at_zero() -> None:
    feed = Feed()
    assert feed.start(0) == []
    assert numbers(feed.receive([entry(1, 50, {})])) == [1]
    assert numbers(feed.receive([entry(3, 50, {})])) == []
    assert feed.must_ask


def test_a_feed_gap_holds_until_it_is_filled_without_repeats() -> None:
    feed = Feed()
    feed.start(5)
    assert numbers(feed.receive([entry(6, 60, {}), entry(8, 80, {})])) == [6]
    assert feed.must_ask
    feed.asking = True
    assert feed.receive([entry(9, 90, {})]) == []
    filled = FeedData(8, [entry(7, 70, {}), entry(8, 80, {})], complete=True)
    assert numbers(feed.settle(filled)) == [7, 8, 9]
    assert feed.held is None


def test_an_announcement_ahead_of_us_shows_a_gap_and_one_behind_does_not() -> None:
    feed = Feed()
    feed.announced(9)
    assert not feed.must_ask
    feed.start(5)
    feed.announced(5)
    assert not feed.must_ask
    feed.announced(6)
    assert feed.must_ask


# ---- merging -----------------------------------------------------------------


class Direct:
    """A transport: only for a socket with nothing that waits."""

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket

    def write(self, data: bytes) -> None:
        assert not self._socket.is_busy
        self._socket.write(data)


class Socket:
    pending = 0

    def __init__(self) -> None:
        self.out = b""
        self.closed: Close | None = None
        self.steady: Steady | None = None
        self.is_busy = False

    def write(self, data: bytes) -> None:
        self.out += data

    def deliver(self, data: bytes) -> bool:
        self.write(data)
        return not self.is_busy

    def settle(self, steady: Listener) -> Direct | None:
        if self.is_busy:
            return None
        self.steady = steady
        return Direct(self)

    def stir(self) -> None:
        """Something waits to be written."""
        self.is_busy = True
        if self.steady is not None:
            self.steady.unsettle()

    def write_latest(self, key: str, frame: bytes) -> None:
        self.out += frame

    def close(self, code: Close) -> None:
        self.closed = code

    def live(self) -> None:
        pass

    def current_claims(self) -> None:
        return None


def seat(region: Region, user: str, cursor: int | None = 100) -> tuple[Seat, Socket]:
    """A driver's session; `cursor` None: its welcome is still due."""
    listener = region.drivers.get(user)
    if listener is None:
        claims = Claims(user, "n", "", "", Role.DRIVER, "main", "s", 0, 0)
        listener = Listener(region, claims)
        region.add_driver(listener)
        listener.recipient.start(state(100))
    socket = Socket()
    made = Seat(socket, listener)
    if cursor is not None:
        made.held = None
        made.cursor = cursor
    listener.add(made)
    return made, socket


def seqs(socket: Socket) -> list[int]:
    parts = socket.out.split(b'"seq":')[1:]
    return [int(part.split(b",")[0]) for part in parts]


def test_drivers_who_get_the_same_share_the_same_bytes() -> None:
    region = Region("main", held_max=10)
    sockets = [seat(region, f"d{number}")[1] for number in range(3)]
    region.ready = [entry(1, 101, trip(1)), entry(2, 102, trip(2))]
    region.flush()
    assert {bytes(s.out) for s in sockets} == {sockets[0].out}
    assert seqs(sockets[0]) == [101, 102]


def test_a_session_whose_welcome_held_an_entry_does_not_get_it_again() -> None:
    region = Region("main", held_max=10)
    _, socket = seat(region, "d1", cursor=101)
    region.ready = [entry(1, 101, trip(1)), entry(2, 102, trip(2))]
    region.flush()
    assert seqs(socket) == [102]


def test_a_session_before_its_welcome_keeps_entries_up_to_a_bound() -> None:
    region = Region("main", held_max=2)
    waiting, socket = seat(region, "d1", cursor=None)
    region.ready = [entry(n, 100 + n, trip(n)) for n in (1, 2)]
    region.flush()
    assert [seq for seq, _ in waiting.held or []] == [101, 102]
    assert socket.out == b""
    region.ready = [entry(3, 103, trip(3))]
    region.flush()
    assert socket.closed is Close.RESYNC


def test_while_a_driver_s_gap_is_open_the_feed_waits_too() -> None:
    region = Region("main", held_max=10)
    made, socket = seat(region, "d1")
    recipient = made.listener.recipient
    recipient.hold()
    region.ready = [entry(1, 101, trip(1))]
    region.flush()
    assert socket.out == b""
    assert [seq for seq, _ in recipient.held_feed] == [101]


def test_excluded_and_offline_drivers_get_no_entry() -> None:
    region = Region("main", held_max=10)
    _, excluded = seat(region, "d1")
    off, offline = seat(region, "d2")
    _, other = seat(region, "d3")
    off.listener.recipient.receive(DriverPush(101, online=False))
    region.ready = [entry(1, 102, trip(1), "trip.taken", ("d1", "stranger"))]
    region.flush()
    assert (excluded.out, offline.out) == (b"", b"")
    assert seqs(other) == [102]


def test_a_second_entry_goes_to_steady_sessions_without_a_look() -> None:
    region = Region("main", held_max=10)
    sockets = [seat(region, f"d{number}")[1] for number in range(3)]
    for n in (1, 2):
        region.ready = [entry(n, 100 + n, trip(n))]
        region.flush()
        assert (len(region.steady), len(region.look_at)) == (3, 0)
    assert [seqs(socket) for socket in sockets] == [[101, 102]] * 3


STEPS = ("stir", "calm", "hold", "sync", "off", "on", "join", "leave", "own", "feed")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=40))
def test_steady_or_not_every_session_gets_the_feed_in_order_unless_it_must_wait(
    steps: list[tuple[str, int]],
) -> None:
    region = Region("main", held_max=100)
    made = [[seat(region, f"d{number}")] for number in range(3)]
    expected: dict[Socket, list[int]] = {pairs[0][1]: [] for pairs in made}
    waiting: dict[str, list[int]] = {}
    seq, feed = 100, 0
    for step, who in [*steps, ("feed", 0), ("feed", 0)]:
        seq += 1
        user = f"d{who}"
        listener = region.drivers[user]
        recipient = listener.recipient
        if step in {"stir", "calm"}:
            for _, socket in made[who]:
                socket.is_busy = False
                if step == "stir":
                    socket.stir()
        elif step == "hold" and recipient.held is None:
            listener.hold()
        elif step == "sync" and recipient.held is not None:
            region.give(
                listener,
                recipient.settle(state(seq, online=recipient.online)).frames,
            )
            for _, socket in made[who]:
                expected[socket] += waiting.get(user, [])
            waiting.pop(user, None)
        elif step in {"off", "on"} and recipient.held is None:
            listener.receive(DriverPush(seq, online=step == "on"))
        elif step == "join" and recipient.held is None:
            made[who].append(seat(region, user, cursor=seq))
            expected[made[who][-1][1]] = []
        elif step == "leave" and len(made[who]) > 1:
            gone, _ = made[who].pop()
            listener.remove(gone)
        elif step in {"own", "feed"}:
            if step == "own" and recipient.held is None:
                region.deliver(listener, (seq, b'{"seq":%d,' % seq))
                for _, socket in made[who]:
                    expected[socket].append(seq)
                seq += 1
            feed += 1
            region.ready = [entry(feed, seq, trip(feed))]
            region.flush()
            for number, pairs in enumerate(made):
                each = region.drivers[f"d{number}"].recipient
                if not each.online:
                    continue
                if each.held is not None:
                    waiting.setdefault(f"d{number}", []).append(seq)
                    continue
                for _, socket in pairs:
                    expected[socket].append(seq)
    for socket, wanted in expected.items():
        assert seqs(socket) == wanted
