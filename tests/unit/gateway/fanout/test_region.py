"""A record's entries to all drivers' sessions: order, once, who waits; no sockets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.fanout.region import HELD_BYTES_MAX, Listener, Region, Seat
from gateway.fanout.sync import Sync
from gateway.ports import Steady
from schemas.claims import Claims
from schemas.closes import Close
from schemas.events import DriverPush, FeedEntry
from schemas.trips import Role
from tests.contract.gateway_ws.scripted_leader import entry, trip
from tests.unit.gateway.fanout.pushes import state


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
        self.writer = self
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
        listener.stream.start(state(100))
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


LONG = "x" * 10_000
OVER = HELD_BYTES_MAX // len(LONG) + 1


def feed_of(count: int) -> list[FeedEntry]:
    return [entry(n, 100 + n, trip(n) | {"note": LONG}) for n in range(1, count + 1)]


def keeps_half_and_no_more(region: Region, socket: Socket) -> None:
    region.ready = feed_of(OVER // 2)
    region.flush()
    assert socket.closed is None
    region.ready = feed_of(OVER)
    region.flush()
    assert socket.closed is Close.RESYNC


def test_a_session_before_its_welcome_keeps_no_more_than_so_many_bytes() -> None:
    region = Region("main", held_max=OVER * 2)
    _, socket = seat(region, "d1", cursor=None)
    keeps_half_and_no_more(region, socket)


def test_nor_does_one_whose_driver_s_gap_is_open() -> None:
    region = Region("main", held_max=OVER * 3)
    made, socket = seat(region, "d1")
    stream = made.listener.stream
    stream.hold()
    keeps_half_and_no_more(region, socket)
    assert stream.held_feed == []


def test_nor_does_a_room_s_member_who_waits_for_a_sync_of_their_own() -> None:
    region = Region("main", held_max=OVER * 2)
    made, socket = seat(region, "d1")
    made.listener.stream.hold()
    for n in range(OVER // 2):
        made.give_in_room(n, LONG.encode(), region.held_max)
    assert socket.closed is None
    for n in range(OVER):
        made.give_in_room(n, LONG.encode(), region.held_max)
    assert socket.closed is Close.RESYNC


def test_while_a_driver_s_gap_is_open_the_feed_waits_too() -> None:
    region = Region("main", held_max=10)
    made, socket = seat(region, "d1")
    stream = made.listener.stream
    stream.hold()
    region.ready = [entry(1, 101, trip(1))]
    region.flush()
    assert socket.out == b""
    assert [seq for seq, _ in stream.held_feed] == [101]


def test_own_events_that_waited_for_a_hole_wait_for_the_driver_s_gap_as_well() -> None:
    region = Region("main", held_max=10)
    made, socket = seat(region, "d1")
    stream = made.listener.stream
    region.merge(made.listener, [(103, b'"seq":103,')])
    stream.hold()
    region.ready = [entry(1, 102, trip(1))]
    region.flush()
    assert socket.out == b""
    region.merge(made.listener, stream.settle(state(103)).frames)
    region.flush()
    assert seqs(socket) == [102, 103]


def test_excluded_and_offline_drivers_get_no_entry() -> None:
    region = Region("main", held_max=10)
    _, excluded = seat(region, "d1")
    off, offline = seat(region, "d2")
    _, other = seat(region, "d3")
    off.listener.stream.receive(DriverPush(101, online=False))
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
        stream = listener.stream
        if step in {"stir", "calm"}:
            for _, socket in made[who]:
                socket.is_busy = False
                if step == "stir":
                    socket.stir()
        elif step == "hold" and stream.sync is Sync.IN_STEP:
            listener.hold()
        elif step == "sync" and stream.sync is not Sync.IN_STEP:
            region.give(
                listener,
                stream.settle(state(seq, online=stream.online)).frames,
            )
            for _, socket in made[who]:
                expected[socket] += waiting.get(user, [])
            waiting.pop(user, None)
        elif step in {"off", "on"} and stream.sync is Sync.IN_STEP:
            listener.receive(DriverPush(seq, online=step == "on"))
        elif step == "join" and stream.sync is Sync.IN_STEP:
            made[who].append(seat(region, user, cursor=seq))
            expected[made[who][-1][1]] = []
        elif step == "leave" and len(made[who]) > 1:
            gone, _ = made[who].pop()
            listener.remove(gone)
        elif step in {"own", "feed"}:
            if step == "own" and stream.sync is Sync.IN_STEP:
                region.deliver(listener, (seq, b'{"seq":%d,' % seq))
                for _, socket in made[who]:
                    expected[socket].append(seq)
                seq += 1
            feed += 1
            region.ready = [entry(feed, seq, trip(feed))]
            region.flush()
            for number, pairs in enumerate(made):
                each = region.drivers[f"d{number}"].stream
                if not each.online:
                    continue
                if each.sync is not Sync.IN_STEP:
                    waiting.setdefault(f"d{number}", []).append(seq)
                    continue
                for _, socket in pairs:
                    expected[socket].append(seq)
    for socket, wanted in expected.items():
        assert seqs(socket) == wanted
