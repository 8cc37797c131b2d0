"""One room at a gateway: gaps, joins, and what may have a `seq`."""

import pytest
from msgspec import Raw, structs

from gateway import framing
from gateway.fanout.membership import Occupant, Place, Turn
from gateway.fanout.room import Room
from gateway.fanout.sync import Sync
from schemas.closes import Close
from schemas.codec import encode
from tests.unit.gateway.fanout.seats import (
    HELD_MAX,
    answer,
    joined_at,
    member,
    message,
    seat,
)


def test_one_tick_is_one_write_for_each_session() -> None:
    room, socket = joined_at(0)
    for n in range(1, 21):
        room.receive(message(n, n))
    room.flush()
    assert socket.numbers() == list(range(1, 21))
    assert socket.writes == 1


def test_a_gap_holds_all_that_follows_until_it_is_filled() -> None:
    room, socket = joined_at(3)
    for n in (4, 6, 7):
        room.receive(message(n, n))
    room.flush()
    assert socket.numbers() == [4]
    assert room.holds
    assert room.fill(answer(5, 6, recovered=True))
    room.flush()
    assert not room.holds
    assert socket.numbers() == [4, 5, 6, 7]
    assert [frame.get("seq") for frame in socket.frames] == [4, None, None, 7]


def test_a_gap_that_can_not_be_filled_is_told() -> None:
    room, socket = joined_at(3)
    room.receive(message(200, 200))
    assert not room.fill(answer(101, 200))
    room.receive(message(201, 201))
    room.flush()
    assert socket.numbers() == [201]


def test_an_answer_ahead_of_what_came_shows_a_loss() -> None:
    room, first = joined_at(3)
    late, second = seat("u2")
    occupant = Occupant(late)
    room.begin(occupant)
    room.answered(occupant, answer(4, 5), None)
    assert room.holds
    room.fill(answer(4, 5, recovered=True))
    room.receive(message(6, 6))
    room.flush()
    assert first.numbers() == [4, 5, 6]
    assert second.numbers() == [6]


def test_who_comes_and_goes_is_told_but_not_what_the_answer_said() -> None:
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made)
    room.begin(occupant)
    room.receive(member("u2", 10, joined=True))
    room.receive(member("u1", 11, joined=True))
    room.receive(member("u3", 12, joined=True))
    room.receive(member("u2", 13, joined=False))
    room.answered(occupant, answer(1, 0, ("u1", "u2")), None)
    assert [(f["type"], f["data"]["user"]["id"]) for f in socket.frames] == [
        ("chat.joined", "u3"),
        ("chat.left", "u2"),
    ]
    room.receive(member("u2", 13, joined=False))
    room.flush()
    assert len(socket.frames) == 2


def test_an_older_client_has_the_text_beside_the_type() -> None:
    room, plain = joined_at(0)
    made, old = seat("u2", bare=True)
    room.admit(Occupant(made))
    room.receive(message(1, 5))
    room.receive(member("u3", 6, joined=True))
    room.flush()
    assert old.frames[0]["message"] == "text 1"
    assert {**old.frames[0], "message": 0} == {**plain.frames[0], "message": 0}
    assert old.frames[1] == plain.frames[1]


def test_frames_wait_while_the_users_own_events_do() -> None:
    room, _ = joined_at(0)
    made, socket = seat("u2")
    made.listener.seats.append(made)
    room.admit(Occupant(made))
    made.listener.stream.hold()
    room.receive(message(1, 50))
    room.flush()
    assert not socket.frames
    made.listener.stream.sync = Sync.IN_STEP
    frame = b'\x81\x08{"a": 1}'
    made.listener.region.give(made.listener, [(40, frame), (60, frame)])
    assert [f.get("type") for f in socket.frames] == [None, "chat.message", None]


def test_too_much_held_makes_everybody_come_back() -> None:
    room = Room("lobby", None, 5)
    made, socket = seat()
    room.begin(Occupant(made))
    for n in range(1, 8):
        room.receive(message(n, n))
    assert socket.code is Close.RESYNC


def test_when_the_only_join_is_refused_a_trips_participants_hear_on() -> None:
    room = Room("lobby", None, HELD_MAX)
    asking, _ = seat()
    room.begin(Occupant(asking))
    made, socket = seat("u2")
    room.admit(Occupant(made))
    room.receive(message(4, 4))
    room.remove(asking)
    room.abandon()
    room.receive(message(5, 5))
    room.flush()
    assert socket.numbers() == [4, 5]


def test_who_hears_already_is_not_told_again_what_its_join_was_answered() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    room.hold()  # as after a reconnect: what comes waits
    room.receive(message(1, 10))
    room.begin(occupant)
    room.receive(message(2, 20))
    room.answered(occupant, answer(1, 2), None)
    assert not socket.frames
    room.receive(message(3, 30))
    room.fill(answer(1, 3, recovered=True))
    room.flush()
    assert socket.numbers() == [3]


def test_what_was_said_while_a_join_was_asked_again_follows_its_answer() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    room.receive(message(1, 10))
    room.begin(occupant)
    assert socket.numbers() == [1]
    room.receive(message(2, 20))
    room.flush()
    assert socket.numbers() == [1]
    room.answered(occupant, answer(1, 1), None)
    assert socket.numbers() == [1, 2]


@pytest.mark.parametrize("place", [Place.HEARS, Place.JOINED])
def test_who_hears_already_and_is_refused_hears_on(place: Place) -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    occupant.place = place
    room.receive(message(1, 10))
    room.begin(occupant)
    assert occupant.is_explicit
    room.receive(message(2, 20))
    room.receive(member("u3", 25, joined=True))
    assert occupant.turn(Turn.REFUSED) is place
    room.resume(occupant)
    room.receive(message(3, 30))
    room.flush()
    assert socket.numbers() == [1, 2, 3]
    assert len(socket.frames) == 4
    assert occupant.place is place


def test_of_two_joins_at_once_the_second_answer_counts() -> None:
    room, socket = joined_at(0)
    occupant = next(iter(room.live.values()))
    occupant.asked = 2
    room.begin(occupant)
    room.receive(message(1, 10))
    occupant.asked = 1
    room.answered(occupant, answer(1, 0), None)
    assert not socket.frames
    room.receive(message(2, 20))
    occupant.asked = 0
    room.answered(occupant, answer(1, 1), None)
    assert socket.numbers() == [2]


def test_what_was_fetched_again_stays_behind_what_came_before_it() -> None:
    made, socket = seat()
    listener = made.listener
    listener.add(made)
    listener.stream.hold()  # a sync of the user is on
    for n, seq in ((1, 10), (2, 0), (3, 30)):
        frame = framing.push("chat.message", Raw(encode({"seq": n, "text": "x"})))
        made.give_in_room(seq, frame, HELD_MAX)
    listener.stream.sync = Sync.IN_STEP
    listener.region.give(listener, [(20, framing.push("trip.started", Raw(b"{}")))])
    assert socket.numbers() == [1, 2, 3]
    assert [frame["type"] for frame in socket.frames][2] == "trip.started"


# ---- no `seq` behind a higher one ----------------------------------------------------


def test_what_was_held_up_has_no_seq_once_a_higher_one_went_out() -> None:
    made, socket = seat()
    region = made.listener.region
    room = Room("lobby", None, HELD_MAX, region)
    occupant = Occupant(made)
    room.begin(occupant)
    room.answered(occupant, answer(1, 0), None, 5)
    room.receive(message(1, 10))
    room.receive(message(3, 30))  # 2 is lost
    room.receive(member("u3", 40, joined=True))
    room.flush()
    made.listener.seats.append(made)
    region.give(made.listener, [(50, framing.event("trip.started", 50, Raw(b"{}")))])
    room.fill(answer(2, 2, recovered=True))
    room.receive(message(4, 60))
    room.flush()
    assert socket.numbers() == [1, 2, 3, 4]
    seqs = [frame["seq"] for frame in socket.frames if "seq" in frame]
    assert seqs == [10, 50, 60]


def test_what_waited_for_a_join_has_no_seq_behind_what_others_heard() -> None:
    first, _ = seat("u2")
    region = first.listener.region
    room = Room("lobby", None, HELD_MAX, region)
    here = Occupant(first)
    room.begin(here)
    room.answered(here, answer(1, 0), None, 5)
    late, socket = seat("u1")
    occupant = Occupant(late)
    room.begin(occupant)
    room.receive(message(2, 20))  # 1 is lost
    room.answered(occupant, answer(1, 2), None, 20)
    room.receive(message(3, 30))
    region.top_seq = 90
    room.fill(answer(1, 2, recovered=True))
    room.flush()
    assert socket.numbers() == [3]
    assert "seq" not in socket.frames[0]


def test_who_came_and_went_in_a_gap_is_told_once() -> None:
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made)
    room.begin(occupant)
    room.answered(occupant, answer(1, 0), None, 5)
    room.hold()
    room.receive(member("u3", 12, joined=True))
    moved = [member("u2", 11, joined=True), member("u3", 12, joined=True)]
    data = structs.replace(answer(1, 0, recovered=True), moved=moved)
    assert room.fill(data, 12)
    room.receive(member("u2", 13, joined=False))
    room.flush()
    told = [(f["type"], f["data"]["user"]["id"], f["seq"]) for f in socket.frames]
    assert told == [
        ("chat.joined", "u2", 11),
        ("chat.joined", "u3", 12),
        ("chat.left", "u2", 13),
    ]
