"""The accounts service: sign-up, log-in, refresh, log-out, revocation, over NATS.

An answer that went out is durable: rows are committed and revocations acknowledged by
JetStream before. Passwords and tokens are never logged.
"""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from nats.js.errors import NoStreamResponseError
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import sessions
from persistence.database import reading
from persistence.keys import LiveRing
from persistence.models import UserRow
from persistence.passwords import HashingOverloaded, Passwords
from persistence.responder import Responder, answered, refused
from persistence.sessions import Account, account_of
from persistence.tokens import Forge, RefreshToken, Verdict
from persistence.users import AccountError, add_user, make_tokens, row_of
from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import codec, streams, subjects
from schemas.accounts import (
    FindUser,
    LogIn,
    LogOut,
    RefreshTokens,
    Result,
    Revocation,
    Revoke,
    SignUp,
    Tokens,
    Whereabouts,
)
from schemas.refusals import Code
from schemas.trips import Role, User

__all__ = ["AccountError", "Accounts", "add_user", "make_tokens"]

log = structlog.get_logger()

QUEUE = "accounts"
CONCURRENCY_MAX = 128
"""Twice the log-ins that may wait for a hash: the others never wait behind them."""
PUBLISH_TIMEOUT_S = 2.0
"""Of a revocation; a gateway gives up on the whole after 5 s."""

_USERNAME = re.compile(r"[\w@.+-]{1,150}")
"""As `schemas.accounts.Username`: no other is in the database, so none is asked for."""


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Accounts:
    """Raises on construction:
    KeyFileError: there is no usable signing key.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        bus: Bus,
        settings: Settings,
        *,
        clock_ms: Callable[[], int] = _wall_clock_ms,
    ) -> None:
        self._engine = engine
        self._bus = bus
        self._settings = settings
        self._clock_ms = clock_ms
        self._keys = LiveRing(settings.signing_key_file)
        self._passwords = Passwords()
        self._js = bus.jetstream(timeout=PUBLISH_TIMEOUT_S)
        self._responder = Responder(bus, QUEUE, CONCURRENCY_MAX)

    async def start(self, service: Service) -> None:
        responder = self._responder
        responder.add(subjects.accounts("sign_up"), SignUp, self.sign_up)
        responder.add(subjects.accounts("log_in"), LogIn, self.log_in)
        responder.add(subjects.accounts("refresh"), RefreshTokens, self.refresh)
        responder.add(subjects.accounts("log_out"), LogOut, self.log_out)
        responder.add(subjects.accounts("revoke"), Revoke, self.revoke)
        responder.add(subjects.accounts("whereabouts"), FindUser, self.whereabouts)
        responder.start()
        service.spawn("keys", self._keys.watch())
        kid = self._keys.ring.signer(self._clock_ms()).kid
        log.info("accounts started", service=service.name, kid=kid)

    async def stop(self) -> None:
        """Take no more requests; answer those that were taken."""
        await self._responder.stop()
        self._passwords.close()

    async def sign_up(self, request: SignUp) -> Result:
        taken = refused(
            Code.INVALID_DATA, f"the username {request.username!r} is taken", 409
        )
        # Asked before, so that a taken name costs no hash; the insert decides.
        if await self._find(request.username) is not None:
            return taken
        try:
            hashed = await self._passwords.hash(request.password)
        except HashingOverloaded as error:
            return refused(Code.OVERLOADED, str(error))
        user = User(
            str(uuid.uuid4()),
            request.username,
            request.first_name,
            request.last_name,
            Role(request.role),
        )
        account = Account(user, self._settings.region, hashed)
        now_ms = self._clock_ms()
        try:
            async with self._engine.begin() as connection:
                row = row_of(user, account.region, hashed, now_ms)
                await connection.execute(insert(UserRow), row)
                token = await sessions.begin(
                    connection,
                    self._forge(now_ms),
                    user.id,
                    now_ms,
                    self._settings.refresh_ttl_s,
                )
        except IntegrityError:
            return taken
        log.info("signed up", user=user.id, session=token.session, role=user.role)
        return self._tokens(account, token, now_ms)

    async def log_in(self, request: LogIn) -> Result:
        account = await self._find(request.username)
        known = None if account is None else account.password_hash
        try:
            good, rehashed = await self._passwords.check(known, request.password)
        except HashingOverloaded as error:
            return refused(Code.OVERLOADED, str(error))
        if account is None or not good:
            return refused(Code.BAD_CREDENTIALS, "wrong username or password")
        user_id = account.user.id
        async with self._engine.begin() as connection:
            # After the wait for the database: not caught by a revocation before it.
            now_ms = self._clock_ms()
            if rehashed is not None:
                await connection.execute(
                    update(UserRow)
                    .where(UserRow.id == user_id, UserRow.password_hash == known)
                    .values(password_hash=rehashed)
                )
            token = await sessions.begin(
                connection,
                self._forge(now_ms),
                user_id,
                now_ms,
                self._settings.refresh_ttl_s,
            )
        log.info("logged in", user=user_id, session=token.session)
        return self._tokens(account, token, now_ms)

    async def refresh(self, request: RefreshTokens) -> Result:
        ended = refused(Code.NOT_AUTHENTICATED, "the refresh token is no longer good")
        # Before the row is touched: a revocation that finds the row in this state
        # covers the access token issued for it.
        now_ms = self._clock_ms()
        token = self._forge(now_ms).read(request.refresh)
        if token is None and self._keys.reload():
            token = self._forge(now_ms).read(request.refresh)
        if token is None:
            return refused(Code.NOT_AUTHENTICATED, "not a refresh token of ours")
        done = await sessions.refresh(
            self._engine,
            self._forge(now_ms),
            token,
            now_ms,
            self._settings.refresh_ttl_s,
        )
        if done is None:
            return ended
        if done.verdict is Verdict.REUSED:
            await self._end_stolen(token.session)
            return ended
        if done.account is None or done.token is None:
            await sessions.end(self._engine, token.session)
            return ended
        return self._tokens(done.account, done.token, now_ms)

    async def log_out(self, request: LogOut) -> Result:
        """The row goes first: who repeats this after a crash in between still can,
        with the access token; and it is published however often it is asked.
        """
        if not _is_token(request.session) or not _is_token(request.user):
            return refused(Code.INVALID_DATA, "no such session")
        await sessions.end(self._engine, request.session)
        revocation = Revocation(request.user, request.session, self._clock_ms())
        await self._publish(revocation)
        log.info("logged out", user=request.user, session=request.session)
        return answered(None)

    async def revoke(self, request: Revoke) -> Result:
        if not _is_token(request.user):
            return _unknown_user()
        issued_ms = await sessions.end_all(self._engine, request.user)
        if issued_ms is None:
            return _unknown_user()
        # Another worker's clock may be ahead of ours; its tokens end as well.
        at_ms = max(self._clock_ms(), issued_ms)
        await self._publish(Revocation(request.user, None, at_ms))
        log.info("user revoked", user=request.user, by=request.by)
        return answered(None)

    async def whereabouts(self, request: FindUser) -> Result:
        """A user may be called what another's id is: the id goes first."""
        name = request.user
        if not _is_token(name) and _USERNAME.fullmatch(name) is None:
            return _unknown_user()
        async with reading(self._engine) as connection:
            for column in (UserRow.id, UserRow.username):
                found = await connection.execute(
                    select(UserRow.id, UserRow.region).where(column == name)
                )
                if (row := found.one_or_none()) is not None:
                    return answered(Whereabouts(row.id, row.region))
        return _unknown_user()

    async def _end_stolen(self, session: str) -> None:
        """Two hold tokens of one session. Published before the row goes: who repeats
        the reuse after a crash in between brings about both again.
        """
        async with reading(self._engine) as connection:
            user_id = await sessions.user_of(connection, session)
        if user_id is None:
            return
        log.warning("refresh token used again", user=user_id, session=session)
        await self._publish(Revocation(user_id, session, self._clock_ms()))
        await sessions.end(self._engine, session)

    async def _publish(self, revocation: Revocation) -> None:
        """Return when JetStream has it on disk.

        Raises:
            nats.errors.Error: it has not, or that is unknown.
        """
        subject = subjects.revoked(revocation.user)
        payload = codec.encode(revocation)
        try:
            await self._js.publish(subject, payload, stream=streams.REVOCATIONS)
        except NoStreamResponseError:
            # Also makes it anew where the NATS server lost its files.
            await runtime_streams.ensure(
                self._js,
                streams.revocations(self._settings.access_ttl_s),
                replicas=self._settings.replicas,
            )
            await self._js.publish(subject, payload, stream=streams.REVOCATIONS)

    def _tokens(self, account: Account, token: RefreshToken, now_ms: int) -> Result:
        ttl_s = self._settings.access_ttl_s
        access = self._keys.ring.signer(now_ms).issue(
            account.user, account.region, token.session, now_ms, ttl_s
        )
        return answered(Tokens(account.user, access, token.text, int(ttl_s)))

    def _forge(self, now_ms: int) -> Forge:
        return self._keys.ring.forge(now_ms)

    async def _find(self, username: str) -> Account | None:
        if _USERNAME.fullmatch(username) is None:
            return None
        async with reading(self._engine) as connection:
            found = await connection.execute(
                select(UserRow.__table__).where(UserRow.username == username)
            )
            row: RowMapping | None = found.mappings().one_or_none()
        return None if row is None else account_of(row)


def _unknown_user() -> Result:
    return refused(Code.INVALID_DATA, "there is no such user", 404)


def _is_token(text: str) -> bool:
    try:
        subjects.token(text)
    except subjects.SubjectError:
        return False
    return True
