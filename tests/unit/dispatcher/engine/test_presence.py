"""Who is present: heartbeats, silence, announcements, and a new leader's grace."""

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.engine.batch import Batcher
from dispatcher.engine.engine import Decided, Engine
from schemas.codec import decode, encode
from schemas.commands import AnyCommand, EndSession, JoinRoom, LeaveRoom
from schemas.events import Event
from schemas.ledger import Record, Writer
from schemas.refusals import Code
from schemas.rooms import (
    PRESENCE_SILENCE_MS,
    Attendance,
    MemberEvent,
    Presence,
    Seated,
    of_trip,
)
from schemas.trips import User
from tests.unit.dispatcher.engine.world import (
    DORA,
    LIMITS,
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


def shape(events: Iterable[Event]) -> list[tuple[str, str, bool]]:
    return [
        (event.room, event.user.username, event.joined)
        for event in events
        if isinstance(event, MemberEvent)
    ]


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


def test_a_gateway_s_silence_counts_from_its_last_beat() -> None:
    world = Leading()
    world.join(RITA, "lobby", gateway="g1")
    world.mono_ms += 500
    world.beat("g1")
    world.mono_ms += PRESENCE_SILENCE_MS - 1
    world.engine.sweep(world.mono_ms)
    assert world.settle() == ()
    world.mono_ms += 1
    world.engine.sweep(world.mono_ms)
    assert shape(world.settle()) == [("lobby", "rita", False)]


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
    assert shape(world.records[-1].events) == [("lobby", "rita", True)]
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


# ---- who is where, in parts ---------------------------------------------------------


class InParts(Leading):
    """Gateways that tell in parts of one session each."""

    def tell(self, gateway: str, *here: tuple[User, str], lost: int = 0) -> None:
        """`lost`: the number of a part that never comes."""
        for number, (by, room) in enumerate(here, 1):
            seated = Seated(f"s-{by.id}", by.person(), (room,))
            if number != lost:
                self.hear(gateway, number, (seated,))
        if lost != len(here) + 1:
            self.hear(gateway, len(here) + 1, is_last=True)

    def hear(
        self,
        gateway: str,
        part: int,
        seated: tuple[Seated, ...] = (),
        *,
        is_last: bool = False,
    ) -> None:
        news = Presence(gateway, part=part, seated=seated, is_last=is_last)
        self.engine.hear(news, self.mono_ms)


def test_of_a_telling_nobody_is_taken_for_gone_before_its_last_part() -> None:
    world = InParts()
    for by in (RITA, RON):
        world.join(by, "lobby")
    world.seconds(GRACE_S, "g1")
    world.hear("g1", 1, (Seated(f"s-{RITA.id}", RITA.person(), ("lobby",)),))
    assert world.settle() == ()
    world.hear("g1", 2, is_last=True)
    assert shape(world.settle()) == [("lobby", "ron", False)]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_telling_of_which_a_part_is_lost_takes_nobody_for_gone(lost: int) -> None:
    world = InParts()
    for by in (RITA, RON):
        world.join(by, "lobby")
    world.seconds(GRACE_S, "g1")
    world.tell("g1", (RITA, "lobby"), (RITA, "other"), lost=lost)
    assert "ron" in world.members("lobby")
    world.settle()
    assert world.members("lobby") == ["rita", "ron"]
    world.tell("g1", (RITA, "lobby"), (RITA, "other"))
    assert ("lobby", "ron", False) in shape(world.settle())
    assert world.members("lobby") == ["rita"]


def test_who_joins_while_parts_come_stays() -> None:
    world = InParts()
    world.join(RITA, "lobby")
    world.seconds(GRACE_S, "g1")
    world.hear("g1", 1, (Seated(f"s-{RITA.id}", RITA.person(), ("lobby",)),))
    world.join(RON, "lobby")
    world.seconds(10, "g1")  # many sessions take long to tell
    world.hear("g1", 2, is_last=True)
    assert world.settle() == ()
    assert world.members("lobby") == ["rita", "ron"]


def test_who_leaves_behind_the_part_that_names_them_is_gone() -> None:
    world = InParts()
    world.join(RITA, "lobby")
    world.seconds(GRACE_S, "g1")
    world.hear("g1", 1, (Seated(f"s-{RITA.id}", RITA.person(), ("lobby",)),))
    world.end(RITA)
    world.hear("g1", 2, is_last=True)
    world.settle()
    assert world.members("lobby") == []


def test_after_a_take_over_who_is_told_of_in_parts_stays() -> None:
    world = InParts()
    for by in (RITA, RON):
        world.join(by, "lobby")
    world.take_over()
    world.tell("g1", (RITA, "lobby"))
    assert shape(world.seconds(GRACE_S, "g1")) == [("lobby", "ron", False)]


def test_a_part_is_a_heartbeat_to_who_doesn_t_know_parts() -> None:
    """A dispatcher of 0.1: it must not take a part for all there is."""
    part = Presence("g1", part=1, seated=(Seated("s", RITA.person(), ("lobby",)),))

    class Before(Struct):
        gateway: str
        full: bool = False
        here: tuple[Attendance, ...] = ()

    assert decode(encode(part), Before).full is False


# ---- what a take-over decides once more ----------------------------------------------


@pytest.mark.parametrize("ends", [False, True])
def test_a_join_and_its_end_both_unanswered_leave_nobody_behind(*, ends: bool) -> None:
    """Both are stored and come again to the next leader, who knows no session: the join
    is decided again, so the end must be, too.
    """
    world = Leading()
    more: dict[str, Any] = {"session": "s", "gateway": "g1"}
    join = JoinRoom(room="lobby", **more, **world.envelope(RITA))
    leave: AnyCommand
    if ends:
        leave = EndSession(**more, **world.envelope(RITA))
    else:
        leave = LeaveRoom(room="lobby", **more, **world.envelope(RITA))
    desk = Batcher(world.engine, Writer("ledger", 1, "me"), world.next_n)
    for command in (join, leave):
        assert desk.take("reply.g1.main", command, world.now_ms)
    batch = desk.close()
    taken = Engine("main", LIMITS)
    record = Record(1, "ledger", 1, batch.n, "me", batch.stamp_ms, batch.events)
    taken.apply_record(record)
    assert [(e.joined) for e in batch.events] == [True, False]  # type: ignore[union-attr]
    taken.lead(0)
    taken.hear(Presence("g1", full=True), 0)
    desk = Batcher(taken, Writer("ledger", 2, "other"), batch.n + 1)
    for command in (join, leave):
        assert desk.take("reply.g1.main", replace(command, attempt=2), world.now_ms)
    desk.close()
    for second in range(1, 10):
        taken.hear(Presence("g1"), second * 1_000)
        taken.sweep(second * 1_000)
        desk.expire(world.now_ms)
    assert taken.rooms[:2] == (0, 0)


def test_nothing_is_kept_of_who_is_in_no_room_any_more() -> None:
    world = Leading()
    world.join(RITA, "lobby", "s1")
    world.join(RITA, "lobby", "s2")
    presence = world.engine._presence
    assert presence.seats_of(RITA.id) == 2
    world.leave(RITA, "lobby", "s1")
    world.end(RITA, "s2")
    world.announce("g1", (RON, "lobby"))
    world.seconds(GRACE_S, "g1")
    world.announce("g1")
    world.settle()
    assert presence.seats_of(RITA.id) == presence.seats_of(RON.id) == 0
    assert presence._seats == presence._taken == {}
    assert all(not one.sessions for one in presence._gateways.values())
