"""The ring and the rooms' messages at their bytes: of the longest events there are."""

import tracemalloc
from collections.abc import Iterator

from msgspec.structs import replace

from dispatcher.engine import ring as memory
from dispatcher.engine.batch import ANSWER_BYTES_MAX, Batcher, Writer
from dispatcher.engine.engine import Engine, Limits
from dispatcher.engine.limits import BACKLOGS_BYTES_MAX, HISTORY_BYTES_MAX
from dispatcher.engine.ring import Ring
from schemas import codec
from schemas.codec import decode, encode, exact
from schemas.commands import JoinRoom, SyncData, SyncUser
from schemas.events import TripEvent
from schemas.frame_shapes import Joined
from schemas.rooms import HISTORY_MAX, MessageEvent
from schemas.trips import Role, Status, Trip, User
from tests.sizes.conftest import size
from tests.sizes.largest import MESSAGE, MESSAGE_BYTES, PERSON, TRIP, WIDEST

MIB = 1024 * 1024
RING_BYTES = size(8, 256) * MIB
RIDERS = 5
AT_MS = 1_795_000_000_000
LIMITS = Limits(request_ttl_ms=300_000, ring_bytes_max=RING_BYTES)


def rider(number: int) -> User:
    """With the longest names."""
    role = Role.RIDER
    names = PERSON.username, PERSON.first_name, PERSON.last_name
    return User(f"{number:036}", *names, role)


def longest(count: int) -> Iterator[tuple[TripEvent, bytes]]:
    """Trips asked for and given up again, of few riders and the longest words."""
    for number in range(count):
        by = rider(number // 2 % RIDERS)
        is_over = number % 2 == 1
        status = Status.CANCELLED if is_over else Status.REQUESTED
        trip: Trip = replace(
            TRIP, id=f"{number // 2:036}", status=status, rider=by.person(), driver=None
        )
        event = TripEvent(
            number + 1,
            "trip.cancelled" if is_over else "trip.requested",
            AT_MS,
            (by.id,),
            trip,
            feed=number + 1,
            command=f"{number:032x}",
            by=by.id,
            reason=WIDEST * 255 if is_over else None,
        )
        yield event, exact(encode(event))


def test_a_ring_of_the_longest_events_takes_the_memory_that_it_is_given() -> None:
    ring = Ring(LIMITS)
    count = RING_BYTES * 5 // 4 // len(next(longest(1))[1])
    tracemalloc.start()
    try:
        for event, encoded in longest(count):
            ring.push(event, encoded)
        files = (memory.__file__, codec.__file__, __file__)
        ours = [tracemalloc.Filter(True, file) for file in files]
        made = tracemalloc.take_snapshot().filter_traces(ours)
        taken = sum(each.size for each in made.statistics("filename"))
    finally:
        tracemalloc.stop()
    kept = [one.encoded for one in ring._all]
    assert 0.9 * RING_BYTES < sum(map(len, kept)) <= RING_BYTES
    assert taken <= 1.1 * RING_BYTES
    assert ring.missed(rider(0).id, 0) is None


def test_who_comes_back_to_a_full_ring_gets_an_answer_that_can_be_sent() -> None:
    """What one user missed in it is more than a message holds."""
    engine = Engine("main", LIMITS)
    count = RING_BYTES * 5 // 4 // len(next(longest(1))[1])
    for event, encoded in longest(count):
        engine.apply(event, encoded)
    batcher = Batcher(engine, Writer("ledger", 1, "me"), count)
    since = [1, count // 2, count - 2 * RIDERS, count]
    for number, seq in enumerate(since):
        head = {"id": f"back{number}", "deadline_ms": AT_MS, "by": rider(0)}
        assert batcher.take("reply.g.main", SyncUser(**head, since=seq), AT_MS)
    answers = [entry.answer.data or b"" for entry in batcher.close().entries]
    assert max(map(len, answers)) <= ANSWER_BYTES_MAX
    told = [decode(answer, SyncData).recovered for answer in answers]
    assert told == [False, False, True, True]


def test_rooms_full_of_the_longest_messages_hold_no_more_than_their_bytes() -> None:
    engine = Engine("main", LIMITS)
    count = BACKLOGS_BYTES_MAX * 5 // 4 // MESSAGE_BYTES
    for number in range(count):
        room, n = f"{number // HISTORY_MAX:064}", number % HISTORY_MAX + 1
        said = replace(MESSAGE, room=room, seq=n, id=f"{number:036}")
        event = MessageEvent(number + 1, AT_MS, said, f"{number:032x}")
        engine.apply(event, exact(encode(event)))
    rooms = engine._state.rooms
    assert 0.9 * BACKLOGS_BYTES_MAX < rooms.bytes <= BACKLOGS_BYTES_MAX
    batcher = Batcher(engine, Writer("ledger", 1, "me"), count)
    last = (count - 1) // HISTORY_MAX
    for number in (0, last):
        command = JoinRoom(
            id=f"join{number}",
            deadline_ms=AT_MS,
            by=rider(number),
            room=f"{number:064}",
            session=f"s{number}",
            gateway="g",
        )
        assert batcher.take("reply.g.main", command, AT_MS)
    oldest, newest = (entry.answer for entry in batcher.close().entries)
    assert oldest.lookup is not None, "only history knows it"
    told = decode(newest.data or b"", Joined)
    sizes = [len(encode(message)) for message in told.history]
    assert 0 < sum(sizes) <= HISTORY_BYTES_MAX
