"""One room at a gateway: who speaks for it, who is in it how, and how much it holds."""

import pytest
from msgspec import Raw, structs

from gateway.fanout.membership import Occupant, Place, Turn
from gateway.fanout.room import HELD_BYTES_MAX, Room
from gateway.fanout.sync import Sync
from schemas.closes import Close
from schemas.codec import encode
from schemas.rooms import TEXT_CHARS_MAX, MessagePush
from tests.unit.gateway.fanout.seats import (
    HELD_MAX,
    answer,
    joined_at,
    member,
    message,
    seat,
)


def test_a_room_in_which_nobody_has_written_misses_the_first_message() -> None:
    room = Room("lobby", 0, HELD_MAX)
    made, _ = seat()
    room.admit(Occupant(made))
    room.receive(message(2, 20))
    assert room.holds


def test_who_asked_to_be_in_a_room_speaks_for_it_before_who_hears_it() -> None:
    room = Room("lobby", 0, HELD_MAX)
    assert room.speaker() is None
    (hears, _), (asks, _) = seat("u1"), seat("u2")
    joining = Occupant(asks)
    room.begin(joining)
    assert room.speaker() is asks
    room.admit(Occupant(hears))
    assert room.speaker() is hears
    assert room.joined() == []
    room.answered(joining, answer(1, 0), None)
    room.fill(answer(1, 0, recovered=True))
    assert room.speaker() is asks
    assert room.joined() == [asks]


def test_a_trip_takes_in_who_is_there_and_who_is_on_its_way() -> None:
    room = Room("lobby", 0, HELD_MAX)
    (one, _), (other, _) = seat("u1"), seat("u2")
    here, comes = Occupant(one), Occupant(other)
    room.admit(here)
    assert here.place is Place.HEARS
    room.begin(comes)
    room.admit(comes)
    assert comes.place is Place.JOINS_FROM_TRIP
    assert room.occupant(one) is here
    assert other not in room.live


def test_what_came_is_kept_for_as_long_as_somebody_s_join_is_on_its_way() -> None:
    room, _ = joined_at(0)
    (one, _), (other, socket) = seat("u2"), seat("u3")
    first, second = Occupant(one), Occupant(other)
    room.begin(first)
    room.begin(second)
    room.receive(message(1, 10))
    room.remove(one)
    room.answered(second, answer(1, 0), None)
    assert socket.numbers() == [1]
    assert len(room.tail) == 0
    room.begin(Occupant(one))
    room.receive(message(2, 20))
    room.remove(one)
    assert len(room.tail) == 0


def test_one_join_that_came_to_nothing_leaves_the_others_waiting() -> None:
    room = Room("lobby", None, HELD_MAX)
    (one, _), (other, socket) = seat("u1"), seat("u2")
    room.begin(Occupant(one))
    waits = Occupant(other)
    room.begin(waits)
    room.receive(message(5, 50))
    room.remove(one)
    room.abandon()
    assert room.holds
    room.answered(waits, answer(4, 4), None)
    assert socket.numbers() == [5]


@pytest.mark.parametrize("over", [0, 1])
def test_so_much_is_held_and_no_more(over: int) -> None:
    room = Room("lobby", None, 5)
    made, socket = seat()
    room.begin(Occupant(made))
    for n in range(1, 6 + over):
        room.receive(message(n, n))
    assert socket.code is (Close.RESYNC if over else None)
    assert room.sync is (Sync.OPEN if over else Sync.UNKNOWN)


@pytest.mark.parametrize("over", [0, 1])
def test_so_much_is_kept_for_joins_and_no_more(over: int) -> None:
    """Who is in the room has heard it all, and stays."""
    room = Room("lobby", 0, 5)
    (one, here), (other, waits) = seat("u1"), seat("u2")
    room.admit(Occupant(one))
    room.begin(Occupant(other))
    for n in range(1, 6 + over):
        room.receive(message(n, n))
    assert (here.code, waits.code) == (None, Close.RESYNC if over else None)
    assert room.sync is Sync.IN_STEP
    assert len(room.tail) == (0 if over else 5)
    room.receive(message(6 + over, 90))
    room.flush()
    assert here.numbers() == list(range(1, 7 + over))


def test_joins_one_after_the_other_keep_no_more_than_the_first_of_them_wants() -> None:
    """The next is asked before the last is answered, for ever."""
    room, here = joined_at(0)
    seats = [seat(f"u{number}") for number in range(2)]
    before: Occupant | None = None
    for n in range(1, 60):
        made, _ = seats[n % 2]
        joins = room.live.get(made) or Occupant(made)
        room.begin(joins)
        if before is not None:
            room.answered(before, answer(n - 1, n - 1), None)
        room.receive(message(n, n))
        before = joins
        assert len(room.tail) <= 2
    room.flush()
    assert here.numbers() == list(range(1, 60))
    for _, socket in seats:
        assert socket.code is None


def test_who_waits_for_longest_comes_back_where_too_much_is_kept() -> None:
    room, _ = joined_at(0)
    (one, first), (other, second) = seat("u2"), seat("u3")
    room.begin(Occupant(one))
    room.receive(message(1, 1))
    waits = Occupant(other)
    room.begin(waits)
    for n in range(2, HELD_MAX + 2):
        room.receive(message(n, n))
    assert (first.code, second.code) == (Close.RESYNC, None)
    room.answered(waits, answer(1, 1), None)
    assert second.numbers() == list(range(2, HELD_MAX + 2))


def longest(n: int) -> MessagePush:
    return MessagePush(n, Raw(encode({"seq": n, "text": "\x01" * TEXT_CHARS_MAX})))


@pytest.mark.parametrize("is_known", [False, True])
def test_the_longest_messages_are_kept_by_their_bytes(is_known: bool) -> None:
    room = Room("lobby", 0 if is_known else None, HELD_MAX)
    (one, _), (other, waits) = seat("u1"), seat("u2")
    if is_known:
        room.admit(Occupant(one))
    room.begin(Occupant(other))
    most = HELD_BYTES_MAX // len(longest(1).message)
    for n in range(1, most + 2):
        room.receive(longest(n))
    assert most < HELD_MAX // 2
    assert waits.code is Close.RESYNC
    assert room.tail.bytes <= HELD_BYTES_MAX


@pytest.mark.parametrize("is_told", [True, False])
def test_an_answer_contains_who_came_and_went_where_it_says_so(is_told: bool) -> None:
    room, socket = joined_at(1)
    room.hold()
    data = answer(2, 2, recovered=True)
    data = structs.replace(data, moved=[]) if is_told else data
    assert room.fill(data, 20)
    room.receive(member("u2", 15, joined=True))
    room.flush()
    assert [frame["type"] for frame in socket.frames] == [
        "chat.message",
        *([] if is_told else ["chat.joined"]),
    ]


def test_a_refused_join_s_seat_hears_on_by_its_trip_what_was_held() -> None:
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made)
    room.begin(occupant)
    room.admit(occupant)
    room.receive(message(4, 40))
    assert occupant.turn(Turn.REFUSED) is Place.HEARS
    room.resume(occupant)
    room.flush()
    assert socket.numbers() == [4]
    assert room.remove(made) is occupant
    assert room.is_empty


def test_a_join_in_a_room_with_a_hole_waits_until_it_is_filled() -> None:
    room, _ = joined_at(3)
    room.hold()
    made, socket = seat("u2")
    occupant = Occupant(made)
    room.begin(occupant)
    room.answered(occupant, answer(3, 3), None)
    assert made in room.joining
    room.fill(answer(3, 4, recovered=True))
    assert (occupant.place, made in room.joining) == (Place.JOINED, False)
    assert socket.numbers() == [4]


def test_an_answer_that_goes_as_far_as_what_came_shows_no_loss() -> None:
    room, socket = joined_at(3)
    occupant = Occupant(seat("u2")[0])
    room.begin(occupant)
    room.answered(occupant, answer(3, 3), None, 20)
    assert not room.holds
    room.receive(member("u3", 15, joined=True))
    room.receive(member("u4", 25, joined=True))
    room.flush()
    assert [frame["data"] for frame in socket.frames] == [
        {"room": "lobby", "user": {"id": "u4"}}
    ]


def test_what_is_fetched_again_is_told_once() -> None:
    room, socket = joined_at(3)
    room.receive(member("u2", 11, joined=True))
    room.hold()
    data = answer(3, 4, recovered=True)
    moved = [member("u2", 11, joined=True), member("u2", 12, joined=False)]
    room.fill(structs.replace(data, moved=moved), 12)
    room.flush()
    assert socket.numbers() == [4]
    told = [frame["type"] for frame in socket.frames if "user" in frame["data"]]
    assert told == ["chat.joined", "chat.left"]


@pytest.mark.parametrize("seq", [20, 0])
def test_who_came_and_went_after_an_answer_was_made_is_told_behind_it(seq: int) -> None:
    """0: its leader doesn't say; then by who was a member."""
    room, _ = joined_at(0)
    made, socket = seat("u2")
    occupant = Occupant(made)
    room.begin(occupant)
    room.receive(member("u2", 20, joined=True))
    room.receive(member("u3", 30, joined=True))
    room.receive(member("u3", 40, joined=False))
    room.answered(occupant, answer(1, 0, ("u1", "u2")), None, seq)
    assert [(f["type"], f["data"]["user"]["id"]) for f in socket.frames] == [
        ("chat.joined", "u3"),
        ("chat.left", "u3"),
    ]


def test_who_is_refused_is_not_told_again_what_it_heard_before_it_asked() -> None:
    room = Room("lobby", 0, HELD_MAX)
    made, socket = seat()
    hears = Occupant(made)
    room.admit(hears)
    room.begin(Occupant(seat("u2")[0]))
    room.receive(message(1, 10))
    room.begin(hears)
    room.receive(message(2, 20))
    hears.turn(Turn.REFUSED)
    room.resume(hears)
    room.flush()
    assert socket.numbers() == [1, 2]
