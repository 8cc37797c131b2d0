"""Questions about the past, answered from the projected tables.

Trips and messages are served as the leader wrote them, but for what their reader isn't
to see. Nothing is decided here but who
may look.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec import Raw
from sqlalchemy import Connection, Row, select

from persistence.history import asking, matches
from persistence.history.explaining import within
from persistence.history.freshness import Freshness
from persistence.history.lags import Lags
from persistence.history.past import Past
from persistence.models import MessageRow, RoomRow, TripEventRow
from persistence.projected import messages
from persistence.projected.messages import PAGE_BYTES_MAX
from persistence.responder import Responder, answered, refused
from runtime.bus import Bus
from schemas import codec, streams, subjects
from schemas.accounts import (
    PAGE_MAX,
    AuditRow,
    ExplainTrip,
    FindBacklog,
    FindLags,
    FindMade,
    FindNames,
    FindTrip,
    GetTripRow,
    ListMessages,
    ListTrack,
    ListTripEvents,
    ListTrips,
    Result,
)
from schemas.events import record_of
from schemas.refusals import Code
from schemas.rooms import HISTORY_MAX, canonical, trip_of
from schemas.seen import trip_json_as
from schemas.times import rfc3339
from schemas.trips import TERMINAL, Role

QUEUE = "history"
CONCURRENCY_MAX = 1024
"""Questions at once, some 5 KiB each: far more than the pool has connections, since
most wait for the writer, without one."""
CATCH_UP_S = 1.0
"""So long `find` waits for the writer, which is tens of milliseconds behind."""
FRESH_S = 0.3
"""So long other questions wait for what is in the ledger when they are asked, so that
who was answered a moment ago finds it; then they are answered with what there is."""
EVENTS_MAX = 256
"""Of a trip's audit in one answer: some 180 KB, and never over 3 MB to read."""


Found = Row[str, str | None, str, str, str]
"""Rider, driver, status, region, data."""


class History:
    """The NATS services `history.*`. Closes `past` when it stops. `hurry` is called
    while somebody waits for rows.
    """

    def __init__(
        self, past: Past, bus: Bus, hurry: Callable[[], None] = lambda: None
    ) -> None:
        self._past = past
        self._fresh = Freshness(bus, CATCH_UP_S, hurry=hurry)
        self._seen = Freshness(bus, CATCH_UP_S, lambda _: streams.MATCHES)
        self._responder = Responder(bus, QUEUE, CONCURRENCY_MAX)
        self._responder.add(subjects.history("trips"), ListTrips, self.trips)
        self._responder.add(subjects.history("trip"), GetTripRow, self.trip)
        self._responder.add(subjects.history("find"), FindTrip, self.find)
        self._responder.add(
            subjects.history("trip_events"), ListTripEvents, self.trip_events
        )
        self._responder.add(subjects.history("matching"), ExplainTrip, self.matching)
        self._responder.add(subjects.history("names"), FindNames, self.names)
        self._responder.add(subjects.history("track"), ListTrack, self.track)
        self._responder.add(subjects.history("messages"), ListMessages, self.messages)
        self._responder.add(subjects.history("backlog"), FindBacklog, self.backlog)
        self._responder.add(subjects.history("made"), FindMade, self.made)
        lags = Lags(past, self._fresh)
        self._responder.add(subjects.history("lags"), FindLags, lags.of)

    def start(self) -> None:
        self._responder.start()

    async def stop(self) -> None:
        await self._responder.stop()
        await self._past.close()

    async def trips(self, question: ListTrips) -> Result:
        """One page, newest first, of the user's own trips (operators: all); shorter
        than asked for where trips are very long, but never empty while there are more.
        """
        await self._freshen(question.region)
        return await self._past.ask(partial(_trips, question))

    async def trip(self, question: GetTripRow) -> Result:
        await self._freshen(question.region)
        found = await self._found(question.trip)
        if isinstance(missing := _may_see(found, question), Result):
            return missing
        assert found is not None
        return Result(data=Raw(trip_json_as(question.role, found.data.encode())))

    async def trip_events(self, question: ListTripEvents) -> Result:
        """The audit of one trip, oldest first; `more` where that isn't all."""
        await self._freshen(question.region)
        return await self._past.ask(partial(_trip_events, question))

    async def matching(self, question: ExplainTrip) -> Result:
        """Why these drivers; of a trip whose record is still on its way, a part."""
        if question.region is not None:
            await asyncio.gather(
                self._freshen(question.region), self._seen.brought("", FRESH_S)
            )
        found = await self._found(question.trip)
        if found is None:
            return _not_found(question.trip)
        driver = question.driver
        if driver is not None and "\0" in driver:
            return refused(Code.INVALID_DATA, "driver: no user's id looks like that")
        explained = partial(matches.explanation, trip=question.trip, driver=driver)
        told = await self._past.ask(explained)
        return Result(data=Raw(within(told, PAGE_BYTES_MAX)))

    async def names(self, question: FindNames) -> Result:
        wanted = [user for user in question.users[:PAGE_MAX] if "\0" not in user]
        return answered(await self._past.ask(partial(matches.names, ids=wanted)))

    async def track(self, question: ListTrack) -> Result:
        """Where the trip's driver was while it was active, oldest first; `more` where
        that isn't all.
        """
        await asyncio.gather(
            self._freshen(question.region), self._seen.brought("", FRESH_S)
        )
        found = await self._found(question.trip)
        if isinstance(missing := _may_see(found, question), Result):
            return missing
        driven = partial(matches.track, trip=question.trip, after_ms=question.after_ms)
        made, more = await self._past.ask(driven)
        return _list(made, more=more)

    async def find(self, question: FindTrip) -> Result:
        """A trip the leader no longer holds. An ended trip never changes, so its row
        is the answer; any other row, or none, only counts once the writer is past
        `seq`.
        """
        ended = {status.value for status in TERMINAL}
        found = await self._found(question.trip)
        if found is None or found.status not in ended:
            record = record_of(question.seq)[0]
            if not await self._fresh.reached(question.region, record, CATCH_UP_S):
                message = f"history has not reached record {record} yet"
                return refused(Code.UNAVAILABLE, message)
            # Read again: the row may be of before the writer got there.
            found = await self._found(question.trip)
        if found is None or found.region != question.region:
            return _not_found(question.trip)
        return Result(data=Raw(found.data.encode()))

    async def messages(self, question: ListMessages) -> Result:
        """One page of a room, newest first; shorter than asked for where messages are
        very long, but never empty while there are more.
        """
        try:
            room = canonical(question.room)
        except subjects.SubjectError as error:
            return refused(Code.INVALID_DATA, f"room: {error}")
        await self._freshen(question.region)
        return await self._past.ask(partial(_messages, question, room))

    async def backlog(self, question: FindBacklog) -> Result:
        """A room's last messages, which the leader no longer holds."""
        record = record_of(question.seq)[0]
        if not await self._fresh.reached(question.region, record, CATCH_UP_S):
            message = f"history has not reached record {record} yet"
            return refused(Code.UNAVAILABLE, message)
        about = question.region, question.room, HISTORY_MAX, None
        page = await self._past.ask(lambda connection: _page(connection, *about))
        return _list(messages.within(page, messages.BACKLOG_BYTES_MAX)[::-1])

    async def made(self, question: FindMade) -> Result:
        """What an idempotency key made that the leader no longer holds."""
        record = record_of(question.seq)[0]
        if not await self._fresh.reached(question.region, record, CATCH_UP_S):
            message = f"history has not reached record {record} yet"
            return refused(Code.UNAVAILABLE, message)
        if "\0" in question.user + question.key:
            return answered(None)
        made_by = _said if question.kind == "send" else _asked_for
        return await self._past.ask(partial(made_by, question))

    async def _freshen(self, region: str | None) -> None:
        """Wait, but not long, until what the ledger holds now is in the database."""
        if region is not None:
            await self._fresh.brought(region, FRESH_S)

    async def _found(self, trip: str) -> Found | None:
        return await self._past.ask(partial(_row, trip=trip))


def _trips(question: ListTrips, connection: Connection) -> Result:
    given: dict[str, Any] = {"user": question.user, "limit": question.limit}
    for name in asking.FILTERS:
        if (value := getattr(question, name)) is not None:
            given[name] = str(value)  # of a status: not as an enum
    if question.before is not None:
        before = _place(question, connection)
        if before is None:
            message = f"before: you have no trip {question.before[:64]!r}"
            return refused(Code.INVALID_DATA, message)
        given |= before._asdict()
    page = asking.page(question.role, frozenset(given))
    rows = connection.execute(page, given).scalars().all()
    made = [trip_json_as(question.role, row.encode()) for row in rows]
    return _list(messages.within(made, PAGE_BYTES_MAX))


def _place(question: ListTrips, connection: Connection) -> Row[int, str] | None:
    """Where in the order `before` stands; None: no such trip, or not theirs."""
    if question.before is None or "\0" in question.before:
        return None
    about = {"trip": question.before, "user": question.user}
    return connection.execute(asking.place(question.role), about).one_or_none()


def _trip_events(question: ListTripEvents, connection: Connection) -> Result:
    found = _row(connection, question.trip)
    if isinstance(missing := _may_see(found, question), Result):
        return missing
    about = {
        "trip": question.trip,
        "version": question.after_version,
        "seq": question.after_seq,
        "limit": EVENTS_MAX + 1,
    }
    rows = connection.execute(asking.EVENTS, about).all()
    role = question.role
    made = [codec.encode(_audit_row(role, row)) for row in rows[:EVENTS_MAX]]
    page = messages.within(made, PAGE_BYTES_MAX)
    return _list(page, more=len(page) < len(rows))


def _messages(question: ListMessages, room: str, connection: Connection) -> Result:
    region, trip = question.region, trip_of(room)
    if trip is not None:
        found = _row(connection, trip)
        if found is None:
            return _not_found(trip)
        if _is_strange(found, question.user, question.role):
            message = f"the room of trip {trip} is not yours"
            return refused(Code.ROOM_FORBIDDEN, message)
        region = found.region
    page = _page(connection, region, room, question.limit, question.before)
    return _list(messages.within(page, PAGE_BYTES_MAX))


def _asked_for(question: FindMade, connection: Connection) -> Result:
    row = TripEventRow
    asked = (
        select(row.trip_id)
        .where(row.by == question.user, row.key == question.key)
        .where(row.at_ms > question.since_ms)
        .order_by(row.at_ms.desc())
        .limit(1)
    )
    trip = connection.execute(asked).scalar()
    found = None if trip is None else _row(connection, trip)
    if found is None or found.region != question.region:
        return answered(None)
    return Result(data=Raw(found.data.encode()))


def _said(question: FindMade, connection: Connection) -> Result:
    row = MessageRow
    asked = (
        select(row.__table__)
        .where(row.sender_id == question.user, row.key == question.key)
        .where(row.region == question.region)
        .where(row.sent_at_ms > question.since_ms)
        .order_by(row.sent_at_ms.desc())
        .limit(1)
    )
    found = connection.execute(asked).one_or_none()
    return answered(None if found is None else messages.message_of(found))


def _row(connection: Connection, trip: str) -> Found | None:
    if "\0" in trip:  # which PostgreSQL's text can't even be asked about
        return None
    return connection.execute(asking.TRIP, {"trip": trip}).one_or_none()


def _page(
    connection: Connection, region: str, room: str, limit: int, before: int | None
) -> list[bytes]:
    """Messages of a room below number `before`, newest first, as JSON."""
    if "\0" in region + room:
        return []
    spans = select(
        RoomRow.ledger, RoomRow.first_n, RoomRow.last_n, RoomRow.last_at_ms
    ).where(RoomRow.region == region, RoomRow.name == room)
    row = MessageRow
    page: list[bytes] = []
    known = [messages.Span(*span) for span in connection.execute(spans)]
    for span in messages.visible(known, before):
        asked = (
            select(MessageRow.__table__)
            .where(row.region == region, row.room == room)
            .where(row.ledger == span.ledger)
            .where(row.n.between(span.first_n, span.last_n))
            .order_by(row.n.desc())
            .limit(limit - len(page))
        )
        found = connection.execute(asked)
        page += [codec.encode(messages.message_of(each)) for each in found]
        if len(page) == limit:
            break
    return page


def _audit_row(role: Role, row: Row[int, str, int, int, str]) -> AuditRow:
    at, trip = rfc3339(row.at_ms), trip_json_as(role, row.data.encode())
    return AuditRow(row.seq, row.type, row.version, at, Raw(trip))


def _list(items: Sequence[bytes], *, more: bool = False) -> Result:
    return Result(data=Raw(b"[" + b",".join(items) + b"]"), more=more)


def _not_found(trip: str) -> Result:
    return refused(Code.TRIP_NOT_FOUND, f"there is no trip {trip[:64]!r}")


def _may_see(
    found: Found | None, question: GetTripRow | ListTripEvents | ListTrack
) -> Result | None:
    """None, or why not."""
    if found is None:
        return _not_found(question.trip)
    if _is_strange(found, question.user, question.role):
        return refused(Code.NOT_A_PARTICIPANT, "this trip is not yours")
    return None


def _is_strange(found: Found, user: str, role: Role) -> bool:
    """Whether the trip is none of this user's business."""
    return role is not Role.OPERATOR and user not in (found.rider_id, found.driver_id)
