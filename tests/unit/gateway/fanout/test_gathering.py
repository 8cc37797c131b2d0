"""When the feed goes out while commands wait for their answers; a clock in hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import Now
from gateway.fanout.gathering import HOLD_S, Gathering, hold_s
from gateway.fanout.region import Region
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas import commands
from schemas.commands import Answer, Answers
from schemas.events import DriverPush
from schemas.trips import Role, User
from tests.contract.gateway_ws.scripted_leader import entry, raw, trip
from tests.unit.gateway.fanout.pushes import push
from tests.unit.gateway.fanout.test_region import Socket, seat, seqs


class Owner:
    pending = 0


class Gateway:
    """A region's feed, and who waits for answers."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.region = Region("main", held_max=1000)
        self.link = Link(Limits(), lambda *_: True, lambda *_: None, lambda: None)
        self.timers: list[float] = []
        self._look = lambda: None
        self.gathering = Gathering(
            self.link, lambda: Now(self.now_s, 0), lambda: None, self._later
        )
        self.fed = 0

    def _later(self, after_s: float, look: object) -> None:
        self.timers.append(after_s)
        self._look = look  # type: ignore[assignment]

    def ask(self, command: str, user: str = "r1", *, alone: bool = False) -> None:
        by = User(user, user, "", "", Role.RIDER)
        asked = commands.GetTrip(id=command, deadline_ms=0, by=by, trip="t")
        owner = None if alone else Owner()
        self.link.submit("main", asked, owner, lambda _: None, self.now_s)

    def answer(self, *ids: str) -> None:
        answers = Answers(1, [Answer(one, 1, data=raw({})) for one in ids])
        self.gathering.before(self.region, answers)
        self.link.answered("main", answers, self.now_s)
        self.gathering.after(self.region)

    def feed(self, seq: int) -> None:
        self.fed += 1
        self.region.ready.append(entry(self.fed, seq, trip(self.fed)))
        self.gathering.add(self.region)

    def own(self, socket: Socket, seq: int) -> None:
        """As the router does it."""
        self.region.deliver(self.of[socket], (seq, b'{"seq":%d,' % seq))
        self.gathering.add(self.region)

    def drivers(self, count: int) -> list[Socket]:
        made = [seat(self.region, f"d{number}") for number in range(count)]
        self.of = {socket: one.listener for one, socket in made}
        return [socket for _, socket in made]

    def wait(self) -> None:
        self.now_s += HOLD_S
        self._look()
        self.gathering.flush()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_an_entry_whose_answer_came_with_it_goes_out_at_once(gateway: Gateway) -> None:
    (driver,) = gateway.drivers(1)
    gateway.ask("a")
    gateway.feed(101)
    gateway.answer("a")
    gateway.gathering.flush()
    assert seqs(driver) == [101]
    assert gateway.timers == []


def test_a_burst_of_several_commits_is_written_once(gateway: Gateway) -> None:
    one, other = gateway.drivers(2)
    for command in "abc":
        gateway.ask(command)
    for seq, command in ((101, "a"), (102, "b"), (103, "c")):
        assert one.out == b""
        gateway.feed(seq)
        gateway.answer(command)
        gateway.gathering.flush()
    assert seqs(one) == seqs(other) == [101, 102, 103]


@pytest.mark.parametrize(
    ("drivers", "held_s"), [(1, 0.00005), (64, 0.0032), (200, 0.01), (1000, 0.01)]
)
def test_nothing_is_held_longer_than_its_drivers_are_worth(
    gateway: Gateway, drivers: int, held_s: float
) -> None:
    driver = gateway.drivers(drivers)[0]
    gateway.ask("never answered")
    gateway.feed(101)
    gateway.gathering.flush()
    gateway.now_s += held_s / 2
    gateway.feed(102)
    gateway.gathering.flush()
    assert driver.out == b""
    assert gateway.timers == [pytest.approx(held_s)]
    gateway.now_s += held_s
    gateway.feed(103)
    gateway.gathering.flush()
    assert seqs(driver) == [101, 102, 103]
    assert not gateway.gathering.holds


def test_who_is_left_alone_with_what_is_held_waits_no_longer_for_the_others(
    gateway: Gateway,
) -> None:
    gateway.drivers(200)
    gateway.ask("never answered")
    gateway.feed(101)
    gateway.gathering.flush()
    for user in list(gateway.region.drivers)[1:]:
        gateway.region.remove_driver(gateway.region.drivers[user])
    assert hold_s(gateway.region) < HOLD_S / 100
    gateway.gathering.add(gateway.region)
    gateway.now_s += HOLD_S / 100
    gateway.gathering.flush()
    assert not gateway.gathering.holds


def test_a_driver_s_own_event_and_answer_come_after_what_is_held(
    gateway: Gateway,
) -> None:
    one, other = gateway.drivers(2)
    gateway.ask("slow")
    gateway.ask("mine", "d0")
    gateway.feed(101)
    gateway.own(one, 102)
    gateway.gathering.flush()
    assert (seqs(one), seqs(other)) == ([101, 102], [])
    gateway.feed(103)
    gateway.answer("mine")
    assert (seqs(one), seqs(other)) == ([101, 102, 103], [])
    gateway.answer("slow")
    gateway.gathering.flush()
    assert seqs(one) == [101, 102, 103]
    assert seqs(other) == [101, 103]


def test_a_question_of_the_gateway_s_own_is_answered_after_all(
    gateway: Gateway,
) -> None:
    (driver,) = gateway.drivers(1)
    gateway.ask("slow")
    gateway.ask("sync", alone=True)
    gateway.feed(101)
    gateway.gathering.flush()
    gateway.answer("sync")
    assert seqs(driver) == [101]


def test_who_comes_online_gets_nothing_that_was_held_before(gateway: Gateway) -> None:
    one, other = gateway.drivers(2)
    gateway.of[one].receive(DriverPush(101, online=False))
    gateway.ask("slow")
    gateway.feed(102)
    gateway.gathering.flush()
    gateway.of[one].receive(DriverPush(103, online=True))
    gateway.feed(104)
    gateway.wait()
    assert (seqs(one), seqs(other)) == ([104], [102, 104])


def test_who_goes_offline_gets_what_was_held_before(gateway: Gateway) -> None:
    one, other = gateway.drivers(2)
    gateway.ask("slow")
    gateway.feed(101)
    gateway.gathering.flush()
    gateway.of[one].receive(DriverPush(102, online=False))
    gateway.feed(103)
    gateway.wait()
    assert (seqs(one), seqs(other)) == ([101], [101, 103])


def test_what_was_held_before_a_driver_s_hole_doesn_t_wait_for_it(
    gateway: Gateway,
) -> None:
    one, other = gateway.drivers(2)
    gateway.ask("slow")
    gateway.feed(101)
    gateway.gathering.flush()
    assert gateway.of[one].receive(push(102, 3)) is None
    gateway.feed(103)
    gateway.wait()
    assert (seqs(one), seqs(other)) == ([101], [101, 103])


def test_a_hole_in_the_feed_holds_all_of_it(gateway: Gateway) -> None:
    one, other = gateway.drivers(2)
    gateway.region.feed.start(1)
    gateway.region.feed.lose()
    gateway.feed(102)
    gateway.own(one, 103)
    gateway.gathering.flush()
    assert (one.out, other.out) == (b"", b"")


STEPS = ("ask", "answer", "feed", "own", "tick", "wait", "stir", "calm")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=60))
def test_however_it_is_held_each_driver_gets_all_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    gateway = Gateway()
    sockets = gateway.drivers(3)
    expected: dict[Socket, list[int]] = {socket: [] for socket in sockets}
    seq, asked, answered = 100, 0, 0
    for step, who in steps:
        seq += 1
        socket = sockets[who]
        if step == "ask":
            gateway.ask(f"c{asked}", f"d{who}" if who else "r")
            asked += 1
        elif step == "answer" and answered < asked:
            gateway.answer(f"c{answered}")
            answered += 1
        elif step == "feed":
            gateway.feed(seq)
            for each in sockets:
                expected[each].append(seq)
        elif step == "own":
            gateway.own(socket, seq)
            expected[socket].append(seq)
        elif step == "tick":
            gateway.gathering.flush()
        elif step == "wait":
            gateway.wait()
        elif step == "stir":
            socket.stir()
        elif step == "calm":
            socket.is_busy = False
    gateway.wait()
    gateway.region.flush()
    for socket, wanted in expected.items():
        assert seqs(socket) == wanted
