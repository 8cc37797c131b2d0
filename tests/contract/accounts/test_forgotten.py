"""Of who was erased nothing is left but what persistence/projected/erasing.py names, in
any table, stream or answer: whatever trips, messages, users and tables have by then.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import MetaData, delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database
from persistence.delivery_models import WebhookDeliveryRow, WebhookRow
from persistence.history.history import History
from persistence.history.past import past
from persistence.models import (
    AuditRow,
    Base,
    DeadLetterRow,
    DeviceRow,
    OutsideUserRow,
    RefreshTokenRow,
    ServiceKeyRow,
    UserRow,
)
from persistence.projected import erasing
from persistence.projected.observations import Seen
from persistence.projected.observer import Projector
from persistence.projected.projection import read_record
from persistence.projected.store import Store
from runtime.bus import Bus
from schemas import accounts, codec, subjects
from schemas.accounts import Erase
from schemas.events import (
    DriverEvent,
    MatchingEvent,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
    TripEventType,
)
from schemas.matching import Evidence, Judged, Verdict
from schemas.observations import Crumb, Other, Round
from schemas.rooms import MessageData, MessageEvent
from schemas.times import rfc3339
from schemas.trips import OpenTrip, Person, Position, Role, Status, Trip
from tests.contract.accounts.conftest import START_MS, Client
from tests.support.exported import exported
from tests.support.filled import MARK, filled, nobodys, row
from tests.support.records import record

RIDER, DRIVER = "the-rider", "the-driver"
TRIP = "01920000-0000-7000-8000-00000000000"
ENDED = (Status.COMPLETED, Status.CANCELLED, Status.EXPIRED)
MOVES: dict[Status, TripEventType] = {
    Status.SCHEDULED: "trip.scheduled",
    Status.REQUESTED: "trip.requested",
    Status.STARTED: "trip.started",
    Status.ARRIVED: "trip.arrived",
    Status.IN_PROGRESS: "trip.in_progress",
    Status.COMPLETED: "trip.completed",
    Status.CANCELLED: "trip.cancelled",
    Status.EXPIRED: "trip.expired",
}
OTHERS = {"trips", "trip_events", "messages", "rooms", "dead_letters", "users"}
OTHERS |= {"refresh_tokens", "devices", "outside_users", "audit_log", "erased_users"}
OTHERS |= {"dispatch_events", "matches", "track", "webhooks", "webhook_deliveries"}
OTHERS |= {"webhook_lines", "webhook_cursors", "webhook_replays", "log_in_throttle"}
OTHERS |= {"dropped_history", "alembic_version", "service_keys"}
"""Every table that this test has looked at and fills, or knows to hold nobody."""


def person(user: str) -> Person:
    made: Person = filled(Person, f"{user}", id=user)
    return made


def whole(number: int, status: Status, version: int) -> Trip:
    """Trip `number`, each of its fields filled but for what is its own to know."""
    own: dict[str, Any] = {"id": f"{TRIP}{number}", "region": "main"}
    own |= {"status": status, "version": version, "rider": person(RIDER)}
    has_none = status in (Status.SCHEDULED, Status.REQUESTED)
    own |= {"driver": None if has_none else person(DRIVER)}
    own |= {"created": rfc3339(START_MS), "updated": rfc3339(START_MS + version)}
    made: Trip = filled(Trip, "trip", **own)
    return made


def ledger() -> list[bytes]:
    """A trip to each way it can end, through every status there is, and messages."""
    assert set(MOVES) == set(Status), "a status is new: say how a trip comes there"
    records = []
    for number, end in enumerate(ENDED):
        way = [status for status in Status if status not in ENDED]
        for version, status in enumerate([*way, end], 1):
            at = whole(number, status, version)
            by = RIDER if version % 2 else DRIVER
            own = {"type": MOVES[status], "trip": at, "by": by, "at_ms": START_MS}
            own |= {"traceparent": "", "audience": at.participants()}
            own |= {"restored": False, "seq": 0, "offer": f"o{number}"}
            moved = filled(TripEvent, f"event by {by}", **own)
            n = 10 * number + version
            said = filled(
                MessageData,
                f"message of {by}",
                room="hall",
                seq=n,
                id=f"m{n}",
                sender=person(by),
                at=rfc3339(START_MS),
            )
            own = {"message": said, "traceparent": "", "at_ms": START_MS, "seq": 0}
            told = filled(MessageEvent, f"message of {by}", **own)
            records.append(record(len(records) + 1, moved, told))
    return records


PLACES = {RIDER: "59.9123", DRIVER: "59.9876"}
"""Where the rider's trip was offered to somebody else, and where the driver was as they
were offered another's."""


def found() -> list[bytes]:
    """How a driver was found for a trip of RIDER's, and one of somebody else's that
    DRIVER was offered. Numbers are no words: they are looked for by themselves.
    """
    records = []
    for number, rider, driver in ((0, RIDER, "x"), (8, "y", DRIVER)):
        at = whole(number, Status.REQUESTED, 1)
        at = replace(at, rider=person(rider), driver=None)
        place = Position(float(PLACES[RIDER if rider == RIDER else DRIVER]), 10.5)
        rests_on = Evidence(801, 151, 141, 31, place)
        more: dict[str, Any] = {"at_ms": START_MS, "traceparent": "", "seq": 0}
        offer = OfferEvent(
            offer=f"o{number}",
            driver=driver,
            trip=OpenTrip.of(at),
            round=1,
            expires_ms=START_MS,
            evidence=rests_on,
            **more,
        )
        ended = filled(
            OfferEndedEvent,
            f"offer of {driver}",
            **more | {"offer": f"o{number}", "driver": driver, "trip": at.id},
        )
        if driver == "x":
            ended = replace(ended, reason="not today")
        tags = {} if driver == DRIVER else {"tags": ("van",)}
        duty = filled(
            DriverEvent,
            f"duty of {driver}",
            **more | {"driver": driver, "why": "self"} | tags,
        )
        how = MatchingEvent(0, START_MS, OpenTrip.of(at), "too_long")
        records.append(record(100 + number, offer, ended, duty, how))
    return records


def seen() -> Seen:
    """What leaders saw: RIDER's trip and where it went, DRIVER beside others."""
    crumbs = [Crumb(f"{TRIP}0", RIDER, "x", float(PLACES[RIDER]), 10.5, START_MS)]
    crumbs += [Crumb(f"{TRIP}8", "y", DRIVER, float(PLACES[DRIVER]), 10.5, START_MS)]
    rounds = [
        Round(
            *(seq, seq, trip, rider, 1, START_MS, 2, {}),
            [Judged(DRIVER, Verdict.FARTHER, 777_001, 777_002, 777_003, 777_004)],
            [Other(DRIVER, "too_far", 777_005, 777_006)],
        )
        for seq, trip, rider in ((1, f"{TRIP}0", RIDER), (2, f"{TRIP}8", "y"))
    ]
    return Seen([("l", one) for one in rounds], crumbs)


def observe(url: str) -> None:
    engine = database.plain_engine(url)
    Projector(engine).write(seen())
    engine.dispose()


def write(url: str, records: list[bytes]) -> None:
    store = Store(database.plain_engine(url))
    for number, payload in enumerate(records, 1):
        rows, bad = read_record("LEDGER_main", number, payload)
        assert not bad
        assert len(rows) in (2, 4)
        store.write(rows, [], START_MS)
    store.close()


async def sign_up(engine: AsyncEngine, user: str) -> None:
    """A row of theirs in each table of accounts, every column filled."""
    theirs: dict[type[Base], dict[str, Any]] = {
        UserRow: {"id": user, "role": "rider", "username_key": f"key of {user}"},
        RefreshTokenRow: {"session_id": f"s-{user}", "user_id": user},
        DeviceRow: {"mark": f"mark of {user}", "user_id": user},
        OutsideUserRow: {"user_id": user},
        WebhookDeliveryRow: {"webhook_id": "hook", "ledger": user, "type": ""}
        | {"trip_id": "t", "line": f"driver:{user}", "status": "waiting", "error": None}
        | {"body": f'{{"id":"{user}","x":"{MARK}{user} body"}}'},
        ServiceKeyRow: {"id": f"key of {user}", "user_id": user, "scopes": "read"},
        AuditRow: {name: f"{user} {name}" for name in erasing.AUDIT - {"at_ms"}}
        | {"actor": user},
        DeadLetterRow: {"ledger": user, "payload": f'"{user}": "{MARK}"'.encode()},
    }
    async with engine.begin() as connection:
        for table, own in theirs.items():
            values = row(table, **own)
            values = {
                name: value.replace(MARK, f"{MARK}{user} ")
                if isinstance(value, str) and name != "current_hash"
                else value
                for name, value in values.items()
            }
            if "current_hash" in values:
                values["current_hash"] = f"hash of {user}"
            await connection.execute(insert(table), values)


def everything(url: str) -> dict[str, list[str]]:
    engine = database.plain_engine(url)
    tables = MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        found = {
            name: [repr(tuple(one)) for one in connection.execute(table.select())]
            for name, table in tables.tables.items()
        }
    engine.dispose()
    return found


class Forgotten:
    """What is known of two people, in the tables, the streams and the answers."""

    def __init__(self, client: Client, engine: AsyncEngine, url: str) -> None:
        self.client = client
        self.engine = engine
        self.url = url

    async def erase(self, user: str) -> None:
        result = await self.client.accounts.erase(Erase(user, "olga"))
        assert result.refused is None, result

    async def told(self) -> dict[str, list[str]]:
        found = await asyncio.to_thread(everything, self.url)
        assert found.keys() <= OTHERS, "a table is new: fill it here"
        return found | await self._streams() | await self._answers()

    async def _streams(self) -> dict[str, list[str]]:
        js = self.client.bus.jetstream()
        found = {}
        for info in await js.streams_info():
            name = str(info.config.name)
            messages = [
                await js.get_msg(name, seq)
                for seq in range(max(1, info.state.first_seq), info.state.last_seq + 1)
            ]
            found[name] = [repr((one.subject, one.data)) for one in messages]
        return found

    async def _answers(self) -> dict[str, list[str]]:
        asker: dict[str, Any] = {"user": "olga", "role": Role.OPERATOR}
        rooms: dict[str, Any] = {"region": "main", "room": "hall"}
        questions: list[tuple[str, Any]] = [
            ("trips", accounts.ListTrips(**asker)),
            ("messages", accounts.ListMessages(**asker, **rooms)),
        ]
        for number in range(len(ENDED)):
            trip = f"{TRIP}{number}"
            questions += [
                ("trip", accounts.GetTripRow(**asker, trip=trip)),
                ("trip_events", accounts.ListTripEvents(**asker, trip=trip)),
                ("matching", accounts.ExplainTrip(trip, DRIVER)),
                ("track", accounts.ListTrack(**asker, trip=trip)),
            ]
        found = {}
        for operation, question in questions:
            answer = await self.client.bus.request(
                subjects.history(operation), codec.encode(question), timeout=30
            )
            result = codec.decode(answer.data, accounts.Result)
            assert result.refused is None, (operation, result)
            found[f"history.{operation} {question}"] = [answer.data.decode()]
        for user in (RIDER, DRIVER):
            found[f"export of {user}"] = [repr(await exported(self.engine, user))]
        return found

    async def leftovers(self, words: str) -> dict[str, list[str]]:
        """Where a secret of theirs is: whatever begins so."""
        return {
            where: [text[:300] for text in texts if f"{MARK}{words}" in text]
            for where, texts in (await self.told()).items()
            if any(f"{MARK}{words}" in text for text in texts)
        }


@pytest.fixture
async def world(
    client: Client, engine: AsyncEngine, database_url: str, bus: Bus
) -> AsyncIterator[Forgotten]:
    async with engine.begin() as connection:
        await connection.execute(insert(WebhookRow), nobodys(WebhookRow, id="hook"))
    for user in (RIDER, DRIVER):
        await sign_up(engine, user)
    await asyncio.to_thread(write, database_url, [*ledger(), *found()])
    await asyncio.to_thread(observe, database_url)
    history = History(past(database_url), bus)
    history.start()
    await bus.flush()
    yield Forgotten(client, engine, database_url)
    await history.stop()


async def test_of_a_rider_and_their_trips_nothing_is_left(world: Forgotten) -> None:
    words = (RIDER, "trip.", f"event by {RIDER}", f"message of {RIDER}")
    for one in words:
        assert await world.leftovers(one), one
    await world.erase(RIDER)
    for one in words:
        assert await world.leftovers(one) == {}, one
    # The other's stays, and all that is counted.
    assert await world.leftovers(DRIVER)
    assert await world.leftovers(f"message of {DRIVER}")
    told = await world.told()
    assert len(told["trips"]) == len(ENDED)
    assert len(told["trip_events"]) == len(told["messages"]) == 3 * 6


async def test_of_a_driver_nothing_is_left_but_the_riders_trips(
    world: Forgotten,
) -> None:
    words = (DRIVER, f"event by {DRIVER}", f"message of {DRIVER}")
    words += (f"offer of {DRIVER}", f"duty of {DRIVER}")
    for one in words:
        assert await world.leftovers(one), one
    await world.erase(DRIVER)
    for one in words:
        assert await world.leftovers(one) == {}, one
    for name in sorted(erasing.RIDERS):
        if name.endswith("address"):
            assert await world.leftovers(f"trip.{name}"), name
    assert await world.leftovers(RIDER)


async def has(world: Forgotten, number: str) -> set[str]:
    """Where such a number is."""
    told = await world.told()
    return {name for name, texts in told.items() if any(number in t for t in texts)}


async def test_no_place_of_who_was_erased_is_left(world: Forgotten) -> None:
    """Not where they were, nor what tells it; of the others all is there yet."""
    for user, other in ((RIDER, DRIVER), (DRIVER, "")):
        assert {"dispatch_events", "track"} <= await has(world, PLACES[user])
        await world.erase(user)
        assert await has(world, PLACES[user]) == set()
        if other:
            assert {"dispatch_events", "track"} <= await has(world, PLACES[other])
            assert "matches" in await has(world, "777002")
    for n in range(1, 7):
        assert await has(world, f"77700{n}") == set()
    told = await world.told()
    assert len(told["matches"]) == 1
    assert any(DRIVER in one for one in told["matches"])
    reasons = [one for one in told["dispatch_events"] if '"reason":"' in one]
    assert len(reasons) == 1
    assert "not today" in reasons[0]


async def test_what_leaders_saw_comes_too_late_for_who_was_erased(
    world: Forgotten,
) -> None:
    for user in (RIDER, DRIVER):
        await world.erase(user)
    await asyncio.to_thread(observe, world.url)
    for place in PLACES.values():
        assert await has(world, place) == set()
    assert await has(world, "777002") == set()


async def test_what_the_ledger_brings_again_is_the_same_without_them(
    world: Forgotten, engine: AsyncEngine
) -> None:
    for user in (RIDER, DRIVER):
        await world.erase(user)
    before = await asyncio.to_thread(everything, world.url)
    projected = ("trips", "trip_events", "messages", "rooms", "dispatch_events")
    async with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name in projected:
                await connection.execute(delete(table))
    await asyncio.to_thread(write, world.url, [*ledger(), *found()])
    after = await asyncio.to_thread(everything, world.url)
    for name in projected:
        assert sorted(after[name]) == sorted(before[name])
    assert await world.leftovers("") == {}
