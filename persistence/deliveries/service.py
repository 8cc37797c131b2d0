"""Answers what gateways, operators and the webhooks service ask of deliveries, over
NATS. One at a time, in a thread: each takes milliseconds.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import nats.errors
import structlog
from msgspec import UNSET
from nats.js.errors import APIError, NotFoundError
from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from persistence import audit_log, database
from persistence.audit_log import Entry
from persistence.deliveries import endpoints, intake, places, sweep, turns
from persistence.deliveries.endpoints import End, TooMany, UnknownWebhook, WebhookError
from persistence.deliveries.intake import Crowd, Moved
from persistence.models import AuditRow
from persistence.responder import Responder, answered, refused
from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import streams, subjects
from schemas.accounts import Result
from schemas.events import EVENTS_PER_RECORD_MAX
from schemas.refusals import Code
from schemas.webhooks import (
    AddWebhook,
    ChangeWebhook,
    Claim,
    Claimed,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Plan,
    Planned,
    RemoveWebhook,
    Replay,
    Settle,
    Store,
)

log = structlog.get_logger()

T = TypeVar("T")

QUEUE = "deliveries"
CONCURRENCY_MAX = 16
"""They take turns in the one thread; the rest wait at the door."""
CROWDS_S = 5.0
"""So old may be what is known of how much waits."""
SWEEP_S = 60.0
HEAR_S = 30.0
"""Between tries to be heard, where NATS has forbidden it."""
FORBIDDEN = (
    f"NATS forbids {subjects.ALL_WEBHOOKS} and {subjects.ALL_DELIVERIES}: webhooks wait"
    " until its permissions are renewed (`cabrank nats-auth`)"
)
_OURS = tuple(
    f'"{every.removesuffix("*")}'
    for every in (subjects.ALL_WEBHOOKS, subjects.ALL_DELIVERIES)
)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Deliveries:
    def __init__(
        self,
        engine: Engine,
        hasty: Engine,
        bus: Bus,
        settings: Settings,
        *,
        clock_ms: Callable[[], int] = _wall_clock_ms,
    ) -> None:
        self._engine = engine
        self._hasty = hasty
        """Position and deliveries are of one transaction: whatever of it a power cut
        takes is read, or tried, again."""
        self._bus = bus
        self._private = bool(settings.webhooks_private)
        self._clock_ms = clock_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deliveries")
        self._responder = Responder(bus, QUEUE, CONCURRENCY_MAX)
        self._crowds: dict[str, Crowd] = {}
        self._counted_at = 0.0
        self._is_forbidden = self._has_told = False

    def start(self, service: Service) -> None:
        said, done = subjects.webhooks, subjects.deliveries
        responder = self._responder
        responder.add(said("list"), ListWebhooks, self.every)
        responder.add(said("get"), GetWebhook, self.one)
        responder.add(said("add"), AddWebhook, self.add)
        responder.add(said("change"), ChangeWebhook, self.change)
        responder.add(said("remove"), RemoveWebhook, self.remove)
        responder.add(said("secret"), RemoveWebhook, self.secret)
        responder.add(said("deliveries"), ListDeliveries, self.deliveries)
        responder.add(said("replay"), Replay, self.replay)
        responder.add(said("test"), GetWebhook, self.test)
        responder.add(done("plan"), Plan, self.plan)
        responder.add(done("store"), Store, self.store)
        responder.add(done("claim"), Claim, self.claim)
        responder.add(done("settle"), Settle, self.settle)
        self._bus.on_forbidden = self._forbidden
        responder.start()
        service.spawn("deliveries", self._sweep())
        service.spawn("deliveries' permission", self._hear())

    async def stop(self) -> None:
        """Take no more requests; answer those that were taken."""
        await self._responder.stop()
        self._thread.shutdown()
        self._engine.dispose()
        self._hasty.dispose()

    def _forbidden(self, why: str) -> bool:
        """Permissions of the version before know of no webhooks: nothing else suffers,
        and it is said once, however long it lasts.
        """
        if not any(subject in why for subject in _OURS):
            return False
        self._is_forbidden = True
        if not self._has_told:
            self._has_told = True
            log.warning(FORBIDDEN, connection="persistence")
        return True

    async def _hear(self) -> None:
        """Servers that read their permissions anew keep their connections."""
        while True:
            await asyncio.sleep(HEAR_S)
            if self._is_forbidden:
                self._is_forbidden = False
                self._responder.start_again()

    # ---- webhooks ------------------------------------------------------------

    async def every(self, _: ListWebhooks) -> Result:
        return answered(await self._read(endpoints.every))

    async def one(self, asked: GetWebhook) -> Result:
        return await self._of_one(lambda c: endpoints.one(c, asked.webhook))

    async def add(self, asked: AddWebhook) -> Result:
        def work(connection: Connection, there: list[End]) -> Any:
            endpoints.check_url(asked.url, private=self._private)
            endpoints.check_events(asked.events)
            made = endpoints.add(connection, asked, there, self._clock_ms())
            self._note(connection, "webhook_add", asked.by, made.id, asked.address)
            return made

        return await self._from_now_on(work)

    async def change(self, asked: ChangeWebhook) -> Result:
        def work(connection: Connection, there: list[End]) -> Any:
            if asked.url is not UNSET:
                endpoints.check_url(asked.url, private=self._private)
            if asked.events is not UNSET:
                endpoints.check_events(asked.events)
            told = endpoints.change(connection, asked, there, self._clock_ms())
            who = (asked.by, asked.webhook, asked.address)
            self._note(connection, "webhook_change", *who)
            return told

        return await self._from_now_on(work)

    async def remove(self, asked: RemoveWebhook) -> Result:
        def work(connection: Connection) -> None:
            endpoints.remove(connection, asked.webhook)
            who = (asked.by, asked.webhook, asked.address)
            self._note(connection, "webhook_remove", *who)

        return await self._of_one(work)

    async def secret(self, asked: RemoveWebhook) -> Result:
        def work(connection: Connection) -> Any:
            told = endpoints.renew_secret(connection, asked.webhook, self._clock_ms())
            who = (asked.by, asked.webhook, asked.address)
            self._note(connection, "webhook_secret", *who)
            return told

        return await self._of_one(work)

    async def deliveries(self, asked: ListDeliveries) -> Result:
        return await self._of_one(lambda c: endpoints.deliveries(c, asked))

    async def replay(self, asked: Replay) -> Result:
        def work(connection: Connection) -> None:
            endpoints.replay(connection, asked.webhook, asked.since, asked.region)
            who = (asked.by, asked.webhook, asked.address)
            self._note(connection, "webhook_replay", *who)

        return await self._of_one(work)

    async def test(self, asked: GetWebhook) -> Result:
        now_ms = self._clock_ms()
        return await self._of_one(lambda c: endpoints.test(c, asked.webhook, now_ms))

    # ---- deliveries ----------------------------------------------------------

    async def plan(self, asked: Plan) -> Result:
        # While there are none, which is most of the time in most places, nothing waits
        # for the lock of whoever writes.
        if not asked.leaving and not await self._read(endpoints.active):
            return answered(Planned([], [], [], []))
        return answered(await self._write(self._planned(asked)))

    def _planned(self, asked: Plan) -> Callable[[Connection], Any]:
        def work(connection: Connection) -> Any:
            crowds = self._known(connection)
            return intake.plan(connection, asked, crowds, self._clock_ms())

        return work

    async def store(self, asked: Store) -> Result:
        def work(connection: Connection) -> None:
            crowds = self._known(connection)
            intake.store(connection, asked, crowds, self._clock_ms())

        try:
            await self._write(work)
        except Moved as error:
            self._counted_at = 0.0
            return refused(Code.WRONG_STATUS, str(error))
        return answered(None)

    async def claim(self, asked: Claim) -> Result:
        now_ms = self._clock_ms()
        if not await self._read(lambda c: turns.is_any_due(c, now_ms)):
            return answered(Claimed([], more=False))
        return answered(await self._write(lambda c: turns.claim(c, asked, now_ms)))

    async def settle(self, asked: Settle) -> Result:
        await self._write(lambda c: turns.settle(c, asked, self._clock_ms()))
        return answered(None)

    def _known(self, connection: Connection) -> dict[str, Crowd]:
        if time.monotonic() - self._counted_at > CROWDS_S:
            self._crowds = intake.crowds(connection)
            self._counted_at = time.monotonic()
        return self._crowds

    # ---- the thread ----------------------------------------------------------

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            options = {database.READ_ONLY: True}
            with self._hasty.connect().execution_options(**options) as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._in(self._hasty, work)

    async def _in(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def _of_one(self, work: Callable[[Connection], Any]) -> Result:
        """What operators are told is on disk before."""
        try:
            return answered(await self._in(self._engine, work))
        except UnknownWebhook as error:
            return refused(Code.INVALID_DATA, str(error), 404)
        except TooMany as error:
            return refused(Code.INVALID_DATA, str(error), 409)
        except WebhookError as error:
            return refused(Code.INVALID_DATA, str(error))

    def _note(
        self, connection: Connection, action: Any, by: str, webhook: str, address: str
    ) -> None:
        entry = Entry(action, by, webhook, address=address)
        connection.execute(insert(AuditRow), audit_log.row(entry, self._clock_ms()))

    async def _from_now_on(
        self, work: Callable[[Connection, list[End]], Any]
    ) -> Result:
        """Of what needs to know where the ledgers end."""
        try:
            there = await ends(self._bus)
        except (nats.errors.Error, APIError, TimeoutError) as error:
            log.warning("JetStream does not answer", error=repr(error)[:300])
            return refused(Code.UNAVAILABLE, "NATS does not answer: try again")
        return await self._of_one(lambda connection: work(connection, there))

    async def _sweep(self) -> None:
        engine = self._hasty
        while True:
            await asyncio.sleep(SWEEP_S)
            loop = asyncio.get_running_loop()
            now_ms = self._clock_ms()
            try:
                await loop.run_in_executor(self._thread, sweep.sweep, engine, now_ms)
            except (SQLAlchemyError, OSError) as error:
                log.warning("deliveries can't be swept yet", error=repr(error)[:300])
            await self.tell_places()

    async def tell_places(self) -> None:
        """Have ledgers keep what webhooks have yet to read (places.py)."""
        try:
            read = await self._read(intake.places)
            names = await runtime_streams.names(self._bus)
            regions = {name: streams.region_of_ledger(name) for name in names}
            told = {n: read.get(region) for n, region in regions.items() if region}
            await places.tell(self._bus.jetstream(), told)
        except (nats.errors.Error, APIError, TimeoutError, SQLAlchemyError) as error:
            log.warning("places can't be told yet", error=repr(error)[:300])


async def ends(bus: Bus) -> list[End]:
    """Where each ledger ends now. Raises: nats.errors.Error, TimeoutError."""
    js = bus.jetstream()
    found = []
    for name in await runtime_streams.names(bus):
        region = streams.region_of_ledger(name)
        if region is None:
            continue
        try:
            info = await js.stream_info(name)
        except NotFoundError:
            continue
        ledger = (info.config.metadata or {}).get(streams.LEDGER_ID, "")
        last = (info.state.last_seq + 1) * EVENTS_PER_RECORD_MAX - 1
        found.append(End(region, ledger, last))
    return found
