"""Erases users: in the database, in their sessions, and for whoever rebuilds it.

The stream ERASURES remembers who was erased outside the database, so that a backup
from before, or a ledger that still has them, doesn't bring them back.
"""

import asyncio
from functools import partial

import nats.errors
import structlog
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError, NotFoundError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import database
from persistence.audit_log import Entry, write
from persistence.erased import among
from persistence.erasure import erasure
from persistence.identity.revoking import Revoker
from persistence.responder import answered, refused
from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, streams, subjects
from schemas.accounts import Erase, Erasure, Result, Revocation
from schemas.refusals import Code

log = structlog.get_logger()

PUBLISH_TIMEOUT_S = 2.0
RETRY_S = 5.0
"""Nobody waits for what a crash left over."""


class Eraser:
    def __init__(
        self, engine: AsyncEngine, bus: Bus, settings: Settings, revoker: Revoker
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._revoker = revoker
        self._js = bus.jetstream(timeout=PUBLISH_TIMEOUT_S)

    async def erase(self, request: Erase, now_ms: int) -> Result:
        """Who repeats this after a crash in between ends it."""
        async with self._engine.connect() as connection:
            standing = await connection.run_sync(erasure.look, request.user)
        if standing is None:
            return refused(Code.INVALID_DATA, "there is no such user", 404)
        if standing.is_riding:
            text = "they have a trip that has not ended"
            return refused(Code.WRONG_STATUS, text)
        user = standing.user
        async with self._engine.begin() as connection:
            issued_ms = await connection.run_sync(erasure.mark, user, now_ms)
        made = Erasure(user, now_ms)
        await publish(self._js, made, self._settings.replicas)
        # Another worker's clock may be ahead of ours; its tokens end as well.
        at_ms = max(now_ms, issued_ms)
        await self._revoker.publish(Revocation(user, None, at_ms))
        await asyncio.to_thread(_scrub_all, self._settings.database_url, [user])
        async with self._engine.begin() as connection:
            entry = Entry("user_erase", request.by, user)
            await write(connection, entry, now_ms)
        log.info("user erased", user=user, by=request.by)
        return answered(made)

    async def run(self) -> None:
        """`finish`, as soon as database and NATS let it."""
        while True:
            try:
                await self.finish()
            except (nats.errors.Error, SQLAlchemyError, OSError) as error:
                log.warning("erasures can't be ended yet", error=repr(error)[:300])
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def finish(self) -> None:
        """End what a crash, the restoring of a backup, or the loss of a NATS server's
        files left to be done.
        """
        known = await remembered(self._js)
        async with database.reading(self._engine) as connection:
            there = await connection.run_sync(erasure.everyone)
        users = {one.user for one in known}
        for one in there:
            if one.user not in users:
                await publish(self._js, one, self._settings.replicas)
        await asyncio.to_thread(bring_to, self._settings.database_url, known)


def _scrub_all(url: str, users: list[str]) -> None:
    engine = database.plain_engine(url, database.PATIENT)
    try:
        for user in users:
            erasure.scrub(engine, user)
    finally:
        engine.dispose()


def bring_to(url: str, known: list[Erasure]) -> None:
    engine = database.plain_engine(url, database.PATIENT)
    try:
        bring(engine, known)
    finally:
        engine.dispose()


def bring(engine: Engine, known: list[Erasure]) -> int:
    """Have a database know these erasures, and scrub what is not scrubbed; returns how
    many users were.
    """
    with engine.connect().execution_options(**{database.READ_ONLY: True}) as connection:
        there = among(connection, (one.user for one in known))
        undone = erasure.undone(connection)
    new = [one for one in known if one.user not in there]
    for one in new:
        with engine.begin() as connection:
            erasure.mark(connection, one.user, one.at_ms)
    users = {one.user for one in new}.union(undone)
    for user in sorted(users):
        erasure.scrub(engine, user)
        log.info("erased again", user=user)
    return len(users)


async def publish(js: JetStreamContext, made: Erasure, replicas: int) -> None:
    """Return when JetStream has it on disk.

    Raises:
        nats.errors.Error: it has not, or that is unknown.
    """
    send = partial(
        js.publish,
        subjects.erased(made.user),
        codec.encode(made),
        stream=streams.ERASURES,
    )
    try:
        await send()
    except NoStreamResponseError:
        await runtime_streams.ensure(js, streams.erasures(), replicas=replicas)
        await send()


async def remembered(js: JetStreamContext) -> list[Erasure]:
    """All that JetStream has; none where the stream was never made.

    Raises:
        nats.errors.Error: JetStream did not answer.
    """
    try:
        info = await js.stream_info(
            streams.ERASURES, subjects_filter=subjects.ALL_ERASED
        )
    except NotFoundError:
        return []
    found = []
    for subject in sorted(info.state.subjects or {}):
        message = await js.get_last_msg(streams.ERASURES, subject, direct=True)
        found.append(codec.decode(message.data or b"", Erasure))
    return found
