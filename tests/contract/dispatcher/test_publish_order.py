"""A driver's two subjects (own events, the feed) reach them by `seq`."""

import asyncio

from dispatcher.commit.publisher import Publisher
from dispatcher.engine.engine import feed_entry
from runtime import bus as nats
from schemas import subjects
from schemas.codec import decode, encode
from schemas.events import Event, FeedEntry, TripEvent, TripPush, UserPush
from schemas.trips import Person, Status, Trip
from tests.support.nats import NatsServer
from tests.support.waiting import until

DRIVER = Person("driver", "bob", "Bob", "Ray")


def requested(seq: int) -> TripEvent:
    trip = _trip(f"open-{seq}", Status.REQUESTED, None)
    audience = (trip.rider.id,)
    return TripEvent(seq, "trip.requested", 0, audience, trip, feed=seq)


def begun(seq: int) -> TripEvent:
    trip = _trip("driven", Status.IN_PROGRESS, DRIVER)
    return TripEvent(seq, "trip.in_progress", 0, trip.participants(), trip)


def _trip(trip_id: str, status: Status, driver: Person | None) -> Trip:
    rider = Person(f"rider-of-{trip_id}", "ann", "Ann", "Lee")
    at = "2026-11-21T10:00:00.000Z"
    return Trip(trip_id, "main", status, 1, "A", "B", None, None, rider, driver, at, at)


async def seqs_seen_by_the_driver(
    server: NatsServer, events: list[TripEvent]
) -> tuple[list[int], int]:
    """In order of arrival; and how many messages the feed took."""
    listening = await nats.connect(server.url, "gateway")
    leading = await nats.connect(server.url, "leader")
    seen: list[int] = []
    feed_messages = 0

    def pushed(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        push: UserPush = decode(payload, UserPush)  # type: ignore[arg-type]
        assert isinstance(push, TripPush)
        seen.append(push.seq)

    def fed(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        nonlocal feed_messages
        feed_messages += 1
        seen.extend(entry.seq for entry in decode(payload, list[FeedEntry]))

    listening.subscribe_raw(subjects.user("main", DRIVER.id), pushed)
    listening.subscribe_raw(subjects.drivers("main"), fed)
    await listening.flush()
    published: list[Event] = list(events)
    assert Publisher(leading, "main").events(published, [encode(e) for e in events])
    count = sum(DRIVER.id in e.audience or feed_entry(e) is not None for e in events)
    await until(lambda: len(seen) == count)
    await asyncio.gather(listening.close(), leading.close())
    return seen, feed_messages


async def test_feed_entry_is_published_before_a_drivers_later_event(
    nats_server: NatsServer,
) -> None:
    events = [requested(1), begun(2), requested(3), begun(4)]
    seen, _ = await seqs_seen_by_the_driver(nats_server, events)
    assert seen == [1, 2, 3, 4]


async def test_entries_that_concern_riders_alone_go_in_one_message(
    nats_server: NatsServer,
) -> None:
    events = [requested(1), requested(2), requested(3)]
    seen, feed_messages = await seqs_seen_by_the_driver(nats_server, events)
    assert seen == [1, 2, 3]
    assert feed_messages == 1
