"""Random commands at random stamps, on a leader that changes and restarts."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.trips import User
from tests.unit.dispatcher.engine.shift import (
    DRIVER_VERBS,
    DRIVERS,
    EVERYBODY,
    KEYS,
    RIDERS,
    Shift,
)
from tests.unit.dispatcher.engine.world import VERBS

STEPS = 200


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_a_long_shift_keeps_the_invariants(seed: int) -> None:
    random = Random(seed)
    shift = Shift()
    for _ in range(STEPS):
        shift.step(random)
        shift.check()
    shift.end()


class Region(RuleBasedStateMachine):
    """The same in short, for a failure in few steps."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = Shift()

    @rule(by=st.sampled_from(RIDERS), key=st.sampled_from(KEYS))
    def request(self, by: User, key: str | None) -> None:
        self.shift.request(by, key)

    @rule(
        by=st.sampled_from(EVERYBODY),
        verb=st.sampled_from(list(VERBS)),
        back=st.integers(0, 3),
    )
    def ask(self, by: User, verb: str, back: int) -> None:
        self.shift.ask(by, verb, back)

    @rule(by=st.sampled_from(DRIVERS))
    def accept(self, by: User) -> None:
        self.shift.ask(by, "accept", 0)

    @rule(verb=st.sampled_from(DRIVER_VERBS))
    def drive_on(self, verb: str) -> None:
        self.shift.drive_on(verb)

    @rule(by=st.sampled_from(EVERYBODY), online=st.booleans())
    def come_or_go(self, by: User, online: bool) -> None:
        self.shift.come_or_go(by, online)

    @rule(ms=st.integers(-5_000, 4_000))
    def time_jumps(self, ms: int) -> None:
        self.shift.jump(ms)

    @rule()
    def expire(self) -> None:
        self.shift.expire()

    @rule()
    def snapshot(self) -> None:
        self.shift.snapshot()

    @rule()
    def take_over(self) -> None:
        self.shift.take_over()

    @rule(
        by=st.sampled_from(EVERYBODY),
        tab=st.integers(0, 1),
        number=st.integers(0, 2),
        since=st.sampled_from((None, 0, 3)),
    )
    def join(self, by: User, tab: int, number: int, since: int | None) -> None:
        self.shift.join(by, tab, number, since)

    @rule(
        by=st.sampled_from(EVERYBODY), tab=st.integers(0, 1), number=st.integers(0, 2)
    )
    def leave(self, by: User, tab: int, number: int) -> None:
        self.shift.leave(by, tab, number)

    @rule(by=st.sampled_from(EVERYBODY), tab=st.integers(0, 1))
    def hang_up(self, by: User, tab: int) -> None:
        self.shift.hang_up(by, tab)

    @rule(
        by=st.sampled_from(EVERYBODY),
        number=st.integers(0, 2),
        key=st.sampled_from(KEYS),
        outside=st.booleans(),
    )
    def say(self, by: User, number: int, key: str | None, outside: bool) -> None:
        self.shift.say(by, number, key, outside=outside)

    @rule(seconds=st.integers(0, 6), beats=st.booleans())
    def time_passes(self, seconds: int, beats: bool) -> None:
        self.shift.pass_time(seconds, beats=beats)

    @rule()
    def announce(self) -> None:
        self.shift.announce()

    @invariant()
    def holds(self) -> None:
        self.shift.check()

    def teardown(self) -> None:
        self.shift.end()


TestRegion = Region.TestCase
TestRegion.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)
