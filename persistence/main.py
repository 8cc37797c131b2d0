"""The persistence process: wires the writer, history and accounts, and runs them."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable

import nats.errors
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database, revisions
from persistence.accounts import Accounts
from persistence.deliveries.service import Deliveries
from persistence.errors import DatabaseError, PersistenceError
from persistence.history import retention
from persistence.history.history import History
from persistence.history.past import past
from persistence.identity import cleanup
from persistence.identity.keyfiles import Signer
from persistence.projected.observer import Observer
from persistence.projected.store import Store
from persistence.projected.writer import Writer
from runtime import bus, lifecycle, nats_login, ops, tracing
from runtime import log as logs
from runtime.resting import together_s
from runtime.settings import Settings, SettingsError, variable
from schemas.permissions import Service

log = structlog.get_logger()

WAIT_S = (0.25, 5.0)
"""First and longest pause while the database is away at start; doubles in between."""
PULSE_S = 4.0
PULSE_LIMIT_S = 10.0
"""Not ready once the database's last answer is so long ago."""


class Pulse:
    """When the database last answered."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._answered_at = time.monotonic()

    async def watch(self) -> None:
        """Nobody's answer is waited for where it is a file of ours."""
        if database.is_sqlite(self._engine.url):
            self._answered_at = math.inf
            return
        while True:
            try:
                async with asyncio.timeout(PULSE_LIMIT_S):
                    async with database.reading(self._engine) as connection:
                        await connection.execute(text("SELECT 1"))
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("the database does not answer", error=repr(error)[:300])
            else:
                self._answered_at = time.monotonic()
            await asyncio.sleep(together_s(PULSE_S))

    def silence_s(self) -> float:
        return time.monotonic() - self._answered_at


async def check_revision(url: str) -> None:
    """Wait until the database answers, for ever, and compare its revision.

    Raises:
        DatabaseError: the URL can't be used, or the revision is older than this code.
    """
    head = revisions.head()
    pause, longest = WAIT_S
    engine = database.engine(url)
    try:
        while True:
            try:
                revision = await revisions.current(engine)
                break
            except (SQLAlchemyError, OSError) as error:
                log.warning("waiting for the database", error=str(error)[:300])
                await asyncio.sleep(pause)
                pause = min(longest, pause * 2)
    finally:
        await engine.dispose()
    if not revisions.serves(revision):
        message = (
            f"the database is at revision {revision or 'none'}, this version needs "
            f"{head}: run `cabrank migrate`"
        )
        raise DatabaseError(message)
    if revision != head:
        log.warning("the database is of a later version", revision=revision, own=head)


async def start(
    settings: Settings, service: lifecycle.Service, health: ops.Health
) -> Callable[[], Awaitable[None]]:
    """Start everything; returns the drain. The database is at the right revision."""
    engine = database.engine(settings.database_url)
    login = nats_login.read(settings, Service.PERSISTENCE)
    control = await bus.connect(settings.nats_url, "persistence", login=login)
    readers: list[Writer | Observer] = []

    def reconnected() -> None:
        for reader in readers:
            reader.reconnected()

    bulk = await bus.connect(
        settings.nats_url,
        "persistence-writer",
        login=login,
        on_reconnect=reconnected,
    )
    service.watch("control connection", control.broken)
    service.watch("bulk connection", bulk.broken)
    pulse = Pulse(engine)
    service.spawn("pulse", pulse.watch(), may_end=True)
    writer = Writer(bulk, Store(database.roomy_engine(settings.database_url)))
    observer = Observer(
        bulk,
        database.plain_engine(settings.database_url),
        settings.matches_kept_s,
        settings.replicas,
    )
    readers += [writer, observer]
    writer.start(service)
    observer.start(service)
    history = History(past(settings.database_url), control, writer.hurry)
    history.start()
    accounts = Accounts(engine, control, settings)
    await accounts.start(service)
    deliveries = Deliveries(
        database.plain_engine(settings.database_url),
        database.hasty_engine(settings.database_url),
        control,
        settings,
    )
    deliveries.start(service)
    service.spawn("cleanup", cleanup.run(engine, settings.audit_ttl_s))
    retaining = retention.run(
        engine, settings.history_kept_days, settings.matches_kept_s
    )
    service.spawn("retention", retaining)

    def readiness() -> str | None:
        if not (control.is_connected and bulk.is_connected):
            return "NATS is not connected"
        if pulse.silence_s() > PULSE_LIMIT_S:
            return f"the database has not answered for {pulse.silence_s():.0f} s"
        return None

    health.readiness = readiness

    async def drain() -> None:
        await asyncio.gather(
            writer.stop(),
            observer.stop(),
            history.stop(),
            accounts.stop(),
            deliveries.stop(),
        )
        with contextlib.suppress(nats.errors.Error):
            await control.flush()
        await control.close()
        await bulk.close()
        await engine.dispose()

    return drain


def _check_files(settings: Settings) -> None:
    """Before the database is waited for: this isn't mended by waiting."""
    nats_login.read(settings, Service.PERSISTENCE)
    try:
        field = "database_url"
        database.check(settings.database_url)
        field = "signing_key_file"
        Signer.load(settings.signing_key_file)
    except PersistenceError as error:
        msg = f"{variable(field)} can't be used: {error}."
        raise SettingsError(msg) from None


def run(settings: Settings) -> int:
    """Run persistence until SIGTERM; the process's exit status.

    Raises:
        SettingsError: the database's URL, the signing key or the port can't be used.
    """
    logs.configure("persistence", settings.log_level)
    _check_files(settings)
    health = ops.serve(settings)
    tracing.configure("persistence", settings)
    try:
        asyncio.run(check_revision(settings.database_url))
    except DatabaseError as error:
        log.critical(str(error))
        return 1
    return lifecycle.run(
        "persistence", lambda service: start(settings, service, health)
    )
