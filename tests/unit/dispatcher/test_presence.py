"""Who is present: heartbeats, silence, announcements, and a new leader's grace."""

from dispatcher.engine import Decided
from schemas.refusals import Code
from schemas.rooms import (
    PRESENCE_SILENCE_MS,
    Attendance,
    MemberEvent,
    Presence,
    of_trip,
)
from schemas.trips import User
from tests.unit.dispatcher.world import (
    DORA,
    OLGA,
    RITA,
    RON,
    World,
    code_of,
    replay,
)


class Leading(World):
    """A world with a monotonic clock and gateways that beat."""

    def __init__(self) -> None:
        super().__init__()
        self.mono_ms = 0
        self.engine.lead(0)

    def beat(self, gateway: str = "g1") -> None:
        self.engine.hear(Presence(gateway), self.mono_ms)

    def announce(self, gateway: str, *here: tuple[User, str]) -> None:
        seats = tuple(Attendance(f"s-{u.id}", u.person(), room) for u, room in here)
        self.engine.hear(Presence(gateway, full=True, here=seats), self.mono_ms)

    def seconds(self, count: int, *gateways: str) -> tuple[MemberEvent, ...]:
        """Let time pass while these gateways beat; who has come or left then."""
        for _ in range(count):
            self.mono_ms += 1_000
            for gateway in gateways:
                self.beat(gateway)
            self.engine.sweep(self.mono_ms)
        return self.settle()

    def take_over(self) -> None:
        self.engine = replay(self.records)
        self.engine.lead(self.mono_ms)


GRACE_S = PRESENCE_SILENCE_MS // 1_000


def shape(events: tuple[MemberEvent, ...]) -> list[tuple[str, str, bool]]:
    return [(event.room, event.user.username, event.joined) for event in events]


def test_users_of_a_silent_gateway_leave() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.join(RON, "lobby", gateway="g2")
    assert world.seconds(1, "g1", "g2") == ()
    assert world.engine.gateways == 2
    assert world.seconds(GRACE_S - 1, "g1") == ()
    assert shape(world.seconds(1, "g1")) == [("lobby", "ron", False)]
    assert world.engine.gateways == 1
    assert world.members("lobby") == ["rita"]
    assert world.seconds(1, "g1") == ()


def test_a_user_with_a_session_elsewhere_stays_when_a_gateway_is_lost() -> None:
    world = Leading()
    world.join(RITA, "lobby", "s1", gateway="g1")
    world.join(RITA, "lobby", "s2", gateway="g2")
    assert world.seconds(GRACE_S + 2, "g2") == ()
    world.leave(RITA, "lobby", "s2")
    assert world.members("lobby") == []


def test_a_gateway_that_never_beat_is_silent_from_the_first_sweep() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    assert world.seconds(GRACE_S) == ()
    assert shape(world.seconds(1)) == [("lobby", "rita", False)]


def test_a_gateway_that_was_only_held_up_brings_its_users_back() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.join(RON, "lobby", gateway="g1")
    world.seconds(1, "g1")
    assert len(world.seconds(GRACE_S)) == 2
    world.end(RON)
    world.beat("g1")
    assert shape(world.settle()) == [("lobby", "rita", True)]
    assert world.members("lobby") == ["rita"]


def test_a_command_of_a_silent_gateway_shows_that_it_lives() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.seconds(1, "g1")
    world.seconds(GRACE_S)
    world.join(RON, "lobby", gateway="g1")
    assert shape(world.settle()) == [("lobby", "rita", True)]
    assert len(world.seconds(GRACE_S + 1)) == 2


def test_a_gateway_that_was_forgotten_is_nobody() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.seconds(1, "g1")
    world.seconds(120)
    world.beat("g1")
    assert world.settle() == ()


def test_a_hung_leader_takes_its_own_silence_for_nobody_elses() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.seconds(1, "g1")
    world.mono_ms += 10_000
    world.engine.sweep(world.mono_ms)
    assert world.settle() == ()
    assert world.seconds(GRACE_S - 1) == ()
    assert shape(world.seconds(1)) == [("lobby", "rita", False)]


# ---- announcements and take-overs ----------------------------------------------


def test_after_a_take_over_who_is_announced_stays_and_the_others_leave() -> None:
    world = Leading()
    for someone in (RITA, RON, DORA):
        world.join(someone, "lobby")
    world.take_over()
    world.announce("g1", (RITA, "lobby"))
    world.announce("g2", (DORA, "lobby"))
    assert world.members("lobby") == ["rita", "ron", "dora"]
    assert world.seconds(GRACE_S - 1, "g1", "g2") == ()
    assert shape(world.seconds(1, "g1", "g2")) == [("lobby", "ron", False)]
    assert world.seconds(GRACE_S, "g1", "g2") == ()


def test_in_the_grace_a_session_that_leaves_may_not_be_its_users_last() -> None:
    world = Leading()
    world.join(RITA, "lobby")
    world.take_over()
    world.announce("g1", (RITA, "lobby"))
    world.leave(RITA, "lobby")
    assert world.members("lobby") == ["rita"]
    assert shape(world.seconds(GRACE_S, "g1")) == [("lobby", "rita", False)]


def test_who_joined_within_the_lead_is_in_no_doubt() -> None:
    world = Leading()
    world.take_over()
    world.join(RITA, "lobby")
    world.leave(RITA, "lobby")
    assert code_of(world.send(RITA, "lobby")) is Code.ROOM_FORBIDDEN


def test_who_is_announced_but_no_member_joins() -> None:
    world = Leading()
    world.announce("g1", (RITA, "lobby"), (RON, "lobby"))
    assert shape(world.settle()) == [("lobby", "rita", True), ("lobby", "ron", True)]
    assert world.settle() == ()


def test_an_announcement_replaces_what_was_known_of_that_gateway_only() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.join(RON, "lobby", gateway="g2")
    world.join(DORA, "lobby", gateway="g1")
    world.seconds(2, "g1", "g2")
    world.announce("g1", (DORA, "lobby"), (DORA, "other"))
    assert shape(world.settle()) == [
        ("lobby", "rita", False),
        ("other", "dora", True),
    ]


def test_a_join_under_way_is_not_undone_by_an_announcement_made_before_it() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.announce("g1")
    assert world.settle() == ()
    assert isinstance(world.send(RITA, "lobby"), Decided)


def test_an_announcement_brings_no_ended_session_back() -> None:
    world = Leading()
    world.join(RITA, "lobby")
    world.end(RITA)
    world.announce("g1", (RITA, "lobby"))
    assert world.settle() == ()
    assert world.members("lobby") == []


def test_in_a_trips_room_silence_takes_operators_only() -> None:
    world = Leading()
    room = of_trip(world.driving("accept").id)
    world.join(RITA, room, gateway="g1")
    world.join(OLGA, room, gateway="g1")
    world.seconds(1, "g1")
    assert shape(world.seconds(GRACE_S)) == [(room, "olga", False)]
    world.announce("g1", (RITA, room), (DORA, room))
    assert world.settle() == ()
    assert world.members(room) == ["rita", "dora"]


def test_more_come_or_go_than_fit_one_record_and_all_do() -> None:
    world = Leading()
    seats = tuple(Attendance(f"s{n}", RITA.person(), f"r{n}") for n in range(1_500))
    world.engine.hear(Presence("g1", full=True, here=seats), 0)
    assert [len(world.settle()) for _ in range(3)] == [1_000, 500, 0]
