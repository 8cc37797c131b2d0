"""The accounts service: sign-up, log-in, refresh, log-out, revocation, over NATS.

An answer that went out is durable: rows are committed and revocations acknowledged by
JetStream before. Passwords and tokens are never logged.
"""

import math
import time
import uuid
from collections.abc import Callable

import msgspec
import structlog
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import audit_log, metrics
from persistence.audit_log import OK, Entry
from persistence.database import reading
from persistence.erasure.eraser import Eraser
from persistence.identity import (
    devices,
    oidc_users,
    password_rules,
    sessions,
    throttle,
    usernames,
)
from persistence.identity.keyfiles import LiveRing
from persistence.identity.passwords import WAITING_MAX, HashingOverloaded, Passwords
from persistence.identity.people import People
from persistence.identity.revoking import Revoker
from persistence.identity.service_accounts import ServiceAccounts
from persistence.identity.sessions import Account, account_of
from persistence.identity.throttle import Blocked, Bucket, Throttle
from persistence.identity.tokens import Forge, RefreshToken, Verdict
from persistence.identity.users import AccountError, add_user, find, make_tokens, row_of
from persistence.models import UserRow
from persistence.responder import Responder, answered, refused
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import names, subjects
from schemas.accounts import (
    Denied,
    Erase,
    FindUser,
    LogIn,
    LogOut,
    Meet,
    RefreshTokens,
    Result,
    Revocation,
    Revoke,
    SignUp,
    Tokens,
)
from schemas.refusals import Code
from schemas.trips import Role, User

__all__ = ["AccountError", "Accounts", "add_user", "make_tokens"]

log = structlog.get_logger()

QUEUE = "accounts"
CONCURRENCY_MAX = 3 * WAITING_MAX
"""Log-ins and sign-ups may fill their lines: the others never wait behind them."""


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
        self._throttle = Throttle(engine)
        self._revoker = Revoker(bus, settings)
        self._service_accounts = ServiceAccounts(
            engine, self._keys, self._revoker, settings.access_ttl_s, clock_ms
        )
        self._eraser = Eraser(engine, bus, settings, self._revoker)
        self._responder = Responder(bus, QUEUE, CONCURRENCY_MAX)

    async def start(self, service: Service) -> None:
        responder = self._responder
        responder.add(subjects.accounts("sign_up"), SignUp, self.sign_up)
        responder.add(subjects.accounts("log_in"), LogIn, self.log_in)
        responder.add(subjects.accounts("refresh"), RefreshTokens, self.refresh)
        responder.add(subjects.accounts("log_out"), LogOut, self.log_out)
        responder.add(subjects.accounts("revoke"), Revoke, self.revoke)
        responder.add(subjects.accounts("whereabouts"), FindUser, self.whereabouts)
        responder.add(subjects.accounts("denied"), Denied, self.denied)
        responder.add(subjects.operations("erase"), Erase, self.erase)
        responder.add(subjects.accounts("meet"), Meet, self.meet)
        self._service_accounts.serve(responder)
        People(self._engine).serve(responder)
        responder.start()
        service.spawn("revocations", self._revoker.make_stream(), may_end=True)
        service.spawn("keys", self._keys.watch())
        service.spawn("erasures", self._eraser.run(), may_end=True)
        service.spawn("usernames", usernames.run(self._engine), may_end=True)
        kid = self._keys.ring.signer(self._clock_ms()).kid
        log.info("accounts started", service=service.name, kid=kid)

    async def stop(self) -> None:
        """Take no more requests; answer those that were taken."""
        await self._responder.stop()
        self._passwords.close()

    async def sign_up(self, request: SignUp) -> Result:
        try:
            username = names.shown(request.username)
        except names.UsernameError as error:
            return refused(Code.INVALID_DATA, f"username: {error}")
        taken = refused(Code.INVALID_DATA, f"the username {username!r} is taken", 409)
        own = (username, request.first_name, request.last_name)
        wrong = password_rules.fault(request.password, own)
        if wrong is not None:
            return refused(Code.INVALID_DATA, f"password: {wrong}")
        if self._is_outsiders(username):
            return taken
        per_hour = self._settings.sign_ups_per_address_max
        bucket = throttle.sign_ups(request.address, per_hour)
        blocked = await self._throttle.take(bucket, self._clock_ms())
        if blocked is not None:
            metrics.sign_ups_throttled.inc()
            entry = Entry("sign_up", address=request.address)
            return await self._blocked("too many sign-ups here", blocked, entry)
        if not await usernames.give_keys(self._engine):
            return refused(Code.UNAVAILABLE, "names of before are still being read")
        # Asked before, so that a taken name costs no hash; the insert decides.
        if await self._find(username) is not None:
            return taken
        try:
            hashed = await self._passwords.hash(request.password)
        except HashingOverloaded as error:
            return await self._overloaded(error, bucket)
        user = User(
            str(uuid.uuid4()),
            username,
            request.first_name,
            request.last_name,
            Role(request.role),
        )
        account = Account(user, self._settings.region, hashed)
        entry = Entry("sign_up", user.id, user.id, address=request.address)
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
                marked = devices.marks(user.id, request.address, request.device)
                await devices.remember(connection, user.id, marked, now_ms)
                await audit_log.write(connection, entry, now_ms)
        except IntegrityError:
            return taken
        log.info("signed up", user=user.id, session=token.session, role=user.role)
        return self._tokens(account, token, now_ms)

    async def log_in(self, request: LogIn) -> Result:
        """An unknown user is refused as a wrong password is: counted, after the same
        hashing, in the same words.
        """
        account = await self._find(request.username)
        entry = Entry("log_in", address=request.address)
        marked: list[str] = []
        if account is not None:
            who = account.user.id
            entry = Entry("log_in", who, who, OK, entry.address)
            marked = devices.marks(who, request.address, request.device)
        device = await devices.known(self._engine, marked, self._clock_ms())
        compared = names.key(request.username) or request.username
        taken = throttle.buckets(compared, request.address, device)
        blocked = await self._throttle.take(taken, self._clock_ms())
        if blocked is not None:
            metrics.log_ins_throttled.inc()
            return await self._blocked("too many log-ins failed", blocked, entry)
        known = None if account is None else account.password_hash
        try:
            good, rehashed = await self._passwords.check(known, request.password)
        except HashingOverloaded as error:
            return await self._overloaded(error, taken)
        if account is not None and good:
            token = await self._begin(account, rehashed, entry, taken, marked)
            if token is not None:
                return token
        await self._note(entry.refused(Code.BAD_CREDENTIALS))
        return refused(Code.BAD_CREDENTIALS, "wrong username or password")

    async def _begin(
        self,
        account: Account,
        rehashed: str | None,
        entry: Entry,
        taken: list[Bucket],
        marked: list[str],
    ) -> Result | None:
        """A session for who gave the right password; None: it is no longer right."""
        user_id = account.user.id
        mine = (UserRow.id == user_id, UserRow.password_hash == account.password_hash)
        async with self._engine.begin() as connection:
            # After the wait for the database: not caught by a revocation before it.
            now_ms = self._clock_ms()
            still = select(UserRow.id).where(*mine).with_for_update(read=True)
            if (await connection.execute(still)).first() is None:
                return None
            if rehashed is not None:
                renew = update(UserRow).where(*mine).values(password_hash=rehashed)
                await connection.execute(renew)
            token = await sessions.begin(
                connection,
                self._forge(now_ms),
                user_id,
                now_ms,
                self._settings.refresh_ttl_s,
            )
            await throttle.give_back(connection, taken)
            await devices.remember(connection, user_id, marked, now_ms)
            await audit_log.write(connection, entry, now_ms)
        log.info("logged in", user=user_id, session=token.session)
        return self._tokens(account, token, now_ms)

    async def _overloaded(
        self, error: HashingOverloaded, taken: list[Bucket]
    ) -> Result:
        async with self._engine.begin() as connection:
            await throttle.give_back(connection, taken)
        return refused(Code.OVERLOADED, str(error))

    async def _blocked(self, why: str, blocked: Blocked, entry: Entry) -> Result:
        """Written down once in a row, so that who hammers doesn't fill the log."""
        if blocked.is_news:
            await self._note(entry.refused(Code.RATE_LIMITED))
        wait_s = math.ceil(blocked.wait_ms / 1000)
        text = f"{why}; try again in {wait_s} s"
        return msgspec.structs.replace(
            refused(Code.RATE_LIMITED, text), retry_after_s=wait_s
        )

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
        if not subjects.is_token(request.session) or not subjects.is_token(
            request.user
        ):
            return refused(Code.INVALID_DATA, "no such session")
        await sessions.end(self._engine, request.session)
        revocation = Revocation(request.user, request.session, self._clock_ms())
        await self._revoker.publish(revocation)
        who = request.user
        await self._note(Entry("log_out", who, who, address=request.address))
        log.info("logged out", user=request.user, session=request.session)
        return answered(None)

    async def revoke(self, request: Revoke) -> Result:
        known = subjects.is_token(request.user)
        if not known or not await self._service_accounts.end_all(request.user):
            return _unknown_user()
        await self._note(
            Entry("revoke", request.by, request.user, address=request.address)
        )
        log.info("user revoked", user=request.user, by=request.by)
        return answered(None)

    async def meet(self, request: Meet) -> Result:
        now_ms = self._clock_ms()
        async with self._engine.begin() as connection:
            met = await oidc_users.meet(connection, request, now_ms)
        if met is oidc_users.Met.ERASED:
            # Each time: they can have new tokens, of the issuer's.
            await self._revoker.publish(Revocation(request.user.id, None, now_ms))
            return refused(Code.NOT_AUTHENTICATED, "the user was erased")
        if met is oidc_users.Met.FORBIDDEN:
            return refused(Code.NOT_AUTHENTICATED, "that id is not the issuer's")
        return answered(None)

    async def erase(self, request: Erase) -> Result:
        return await self._eraser.erase(request, self._clock_ms())

    async def whereabouts(self, request: FindUser) -> Result:
        found = await find(self._engine, request.user)
        if found is None:
            return _unknown_user()
        if request.notice_by:
            await self._note(
                Entry("notify", request.notice_by, found.id, address=request.address)
            )
        return answered(found)

    async def denied(self, request: Denied) -> Result:
        """Written down up to a rate, so that who hammers doesn't fill the log."""
        bucket = throttle.denials(request.user)
        if await self._throttle.take(bucket, self._clock_ms()) is None:
            who, code = (request.user, request.subject), Code.WRONG_ROLE.value
            entry = Entry("denied", *who, code, request.address, request.route)
            await self._note(entry)
        return answered(None)

    async def _end_stolen(self, session: str) -> None:
        """Two hold tokens of one session. Published before the row goes: who repeats
        the reuse after a crash in between brings about both again.
        """
        async with reading(self._engine) as connection:
            user_id = await sessions.user_of(connection, session)
        if user_id is None:
            return
        reused = Entry("refresh", user_id, user_id, Code.NOT_AUTHENTICATED.value)
        await self._note(reused)
        log.warning("refresh token used again", user=user_id, session=session)
        await self._revoker.publish(Revocation(user_id, session, self._clock_ms()))
        await sessions.end(self._engine, session)

    def _tokens(self, account: Account, token: RefreshToken, now_ms: int) -> Result:
        ttl_s = self._settings.access_ttl_s
        access = self._keys.ring.signer(now_ms).issue(
            account.user, account.region, token.session, now_ms, ttl_s
        )
        return answered(Tokens(account.user, access, token.text, int(ttl_s)))

    async def _note(self, entry: Entry) -> None:
        async with self._engine.begin() as connection:
            await audit_log.write(connection, entry, self._clock_ms())

    def _is_outsiders(self, username: str) -> bool:
        """Whether it looks like a name of the outside issuer's users."""
        prefix = self._settings.oidc_username_prefix
        mine = (names.key(username) or "").startswith(prefix.lower())
        return bool(self._settings.oidc_issuer) and mine

    def _forge(self, now_ms: int) -> Forge:
        return self._keys.ring.forge(now_ms)

    async def _find(self, username: str) -> Account | None:
        like = usernames.is_like(username)
        if like is None:
            return None
        asked = select(UserRow.__table__).where(like)
        async with reading(self._engine) as connection:
            found = await connection.execute(
                asked.order_by(usernames.exact_first(username)).limit(1)
            )
            row: RowMapping | None = found.mappings().one_or_none()
        return None if row is None else account_of(row)


def _unknown_user() -> Result:
    return refused(Code.INVALID_DATA, "there is no such user", 404)
