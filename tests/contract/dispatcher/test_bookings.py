"""Booked trips with real dispatchers: kept, opened by whoever leads, told to whom."""

import time

from runtime.settings import Settings
from schemas import codec
from schemas.commands import AcceptTrip, RescheduleTrip
from schemas.events import FeedEntry, TripPush
from schemas.times import rfc3339
from schemas.trips import Status, Trip
from tests.contract.dispatcher.desk import (
    DORA,
    RITA,
    Gateway,
    InProcess,
    command,
    request,
)
from tests.support.waiting import until

AHEAD_S = 3_600


async def test_what_one_leader_booked_the_next_opens_by_itself(
    settings: Settings, gateway: Gateway
) -> None:
    """The next one's lead is longer, so that nobody need wait an hour."""
    gateway.hear("user.main.rita", TripPush)
    gateway.hear("user.main.dora", TripPush)
    gateway.hear("drivers.main", list[FeedEntry])
    first = await InProcess(settings).start()
    epoch = (await gateway.leader()).epoch
    at = rfc3339(int((time.time() + AHEAD_S) * 1000))
    booked = await gateway.trip(request(pick_up_at=at, reference="r 7", note="ring"))
    assert booked.status is Status.SCHEDULED
    changed = command(RescheduleTrip, RITA, trip=booked.id, note="ring twice")
    assert (await gateway.trip(changed)).version == 2
    assert not [one for subject, one in gateway.log if subject == "drivers.main"]
    await first.stop()

    url = settings.nats_url
    second = await InProcess(Settings(nats_url=url, booking_lead_s=86_400)).start()
    try:
        await gateway.leader(after=epoch)
        await until(lambda: told(gateway, "trip.requested"), "the trip to open")
        (opened,) = told(gateway, "trip.requested")
        trip = codec.decode(opened.trip, Trip)
        assert (trip.version, trip.status) == (3, Status.REQUESTED)
        assert (trip.pick_up_at, trip.note) == (at, "ring twice")
        await until(lambda: feed(gateway), "all drivers to be told")
        (entry,) = feed(gateway)
        assert b"ring twice" in bytes(entry.data)
        assert b"r 7" not in bytes(entry.data)
        taken = await gateway.trip(command(AcceptTrip, DORA, trip=booked.id))
        assert taken.reference is None
        await until(lambda: len(told(gateway, "trip.started")) == 2, "both to be told")
        rita, dora = (
            [codec.decode(one.trip, Trip) for one in told(gateway, "trip.started", who)]
            for who in ("rita", "dora")
        )
        assert [trip.reference for trip in rita] == ["r 7"]
        assert dora == [taken]
    finally:
        await second.stop()


def told(gateway: Gateway, kind: str, who: str = "") -> list[TripPush]:
    return [
        one
        for subject, one in gateway.log
        if isinstance(one, TripPush) and one.type == kind and subject.endswith(who)
    ]


def feed(gateway: Gateway) -> list[FeedEntry]:
    lists = [one for subject, one in gateway.log if subject == "drivers.main"]
    return [entry for entries in lists for entry in entries]
