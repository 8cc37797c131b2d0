"""Who comes and goes all the time costs a room only so much."""

from dispatcher.engine.churn import ROOM_DELIVERIES_PER_S, SEAT_BURST, Churn
from schemas.refusals import Code
from schemas.rooms import MemberEvent
from schemas.trips import Role, User
from tests.unit.dispatcher.engine.world import RITA, RON, World, code_of, joined


def told(world: World, first: int = 0) -> list[tuple[str, bool]]:
    events = world.events[first:]
    return [(e.user.username, e.joined) for e in events if isinstance(e, MemberEvent)]


def test_a_few_steps_are_told_at_once() -> None:
    world = World()
    for _ in range(SEAT_BURST):
        world.join(RITA, "lobby")
        world.leave(RITA, "lobby")
    assert told(world) == [("rita", True), ("rita", False)] * SEAT_BURST


def test_who_joins_and_leaves_all_the_time_is_told_once_a_second() -> None:
    world = World()
    world.join(RON, "lobby")
    seconds = 10
    for _ in range(seconds * 25):
        world.now_ms += 40
        world.join(RITA, "lobby")
        world.leave(RITA, "lobby")
    assert len(told(world)) <= 2 * (SEAT_BURST + seconds) + 2
    world.now_ms += 10_000
    world.settle()
    assert told(world)[-1] == ("rita", False)
    assert world.members("lobby") == ["ron"]


def test_who_left_is_no_member_for_anybody_though_it_is_told_later() -> None:
    world = World()
    world.join(RON, "lobby")
    for _ in range(SEAT_BURST + 1):
        world.join(RITA, "lobby")
        world.leave(RITA, "lobby")
    assert told(world)[-1] == ("rita", True)
    assert world.members("lobby") == ["ron"]
    assert code_of(world.send(RITA, "lobby")) is Code.ROOM_FORBIDDEN
    data = joined(world.join(RITA, "lobby"))
    assert [person.username for person in data.members] == ["ron", "rita"]
    assert data.members_total == 2
    world.said(RITA, "lobby")
    world.now_ms += 60_000
    assert world.settle() == ()
    assert world.members("lobby") == ["ron", "rita"]


def test_a_turn_has_come_at_its_instant() -> None:
    world = World()
    for _ in range(SEAT_BURST + 1):
        world.join(RITA, "lobby")
        world.leave(RITA, "lobby")
    world.now_ms += 999
    assert world.settle() == ()
    world.now_ms += 1
    assert [event.joined for event in world.settle()] == [False]


def test_a_connection_that_is_lost_again_and_again_counts_as_leaving() -> None:
    world = World()
    for number in range(50):
        world.join(RITA, "lobby", f"s{number}")
        world.end(RITA, f"s{number}")
    assert len(told(world)) <= 2 * SEAT_BURST + 1
    world.now_ms += 60_000
    world.settle()
    assert world.members("lobby") == []


def test_a_full_room_that_empties_does_so_at_a_rate() -> None:
    """Each who leaves is a frame for all the others."""
    world = World()
    crowd = 400
    people = [User(f"u{n}", f"u{n}", "F", "L", Role.RIDER) for n in range(crowd)]
    for person in people:
        world.join(person, "lobby")
    first = len(world.events)
    for person in people:
        world.end(person)
    frames = sum(crowd - n for n, _ in enumerate(told(world, first)))
    assert frames <= ROOM_DELIVERIES_PER_S + crowd
    assert world.members("lobby") == []
    world.now_ms += 10_000
    world.settle()
    assert len(told(world, first)) == crowd


def test_what_is_known_of_the_quiet_is_forgotten() -> None:
    churn = Churn()
    for number in range(5_000):
        churn.due_ms(("room", f"u{number}"), 10, number * 10)
    assert len(churn._seats) < 2_000
