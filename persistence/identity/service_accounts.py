"""What gateways and operators ask about service accounts' keys, over NATS.

Whoever guesses is slowed down as with passwords; who has a good key never is.
"""

import math
import uuid
from collections.abc import Callable

import structlog
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import audit_log, metrics
from persistence.audit_log import Entry
from persistence.identity import service_keys, sessions, throttle, users
from persistence.identity.keyfiles import LiveRing
from persistence.identity.revoking import Revoker
from persistence.identity.throttle import Throttle
from persistence.responder import Responder, answered, refused
from schemas import subjects
from schemas.accounts import Result, Revocation
from schemas.claims import Service
from schemas.refusals import Code
from schemas.service_accounts import (
    AccessToken,
    CheckKey,
    End,
    Ended,
    ExchangeKey,
    KeyHolder,
    is_key,
)

log = structlog.get_logger()


class ServiceAccounts:
    """`ttl_s`: how long a token lives, at most until its key ends."""

    def __init__(
        self,
        engine: AsyncEngine,
        keys: LiveRing,
        revoker: Revoker,
        ttl_s: float,
        clock_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._revoker = revoker
        self._ttl_s = ttl_s
        self._clock_ms = clock_ms
        self._throttle = Throttle(engine)

    def serve(self, responder: Responder) -> None:
        responder.add(subjects.accounts("check_key"), CheckKey, self.check)
        responder.add(subjects.accounts("exchange"), ExchangeKey, self.exchange)
        responder.add(subjects.operations("end"), End, self.end)

    async def check(self, request: CheckKey) -> Result:
        found = await self._holder(request.key, request.address)
        return found if isinstance(found, Result) else answered(found)

    async def exchange(self, request: ExchangeKey) -> Result:
        found = await self._holder(request.key, request.address)
        if isinstance(found, Result):
            if found.refused and found.refused.code is Code.NOT_AUTHENTICATED:
                return refused(Code.BAD_CREDENTIALS, found.refused.message)
            return found
        lacking = set(request.scopes) - set(found.scopes) if found.scopes else set()
        if lacking:
            text = f"scope: the key has no {', '.join(sorted(lacking))}"
            return refused(Code.INVALID_DATA, text)
        now_ms, ttl_s = self._clock_ms(), self._ttl_s
        if found.expires_ms is not None:
            ttl_s = min(ttl_s, (found.expires_ms - now_ms) / 1000)
        token = self._keys.ring.signer(now_ms).issue(
            found.user,
            found.region,
            str(uuid.uuid4()),
            now_ms,
            ttl_s,
            Service(found.key, request.scopes or found.scopes),
        )
        who, address = found.user.id, request.address
        entry = Entry("log_in", who, who, address=address, detail=f"key {found.key}")
        await self._note(entry)
        return answered(AccessToken(token, "Bearer", max(1, int(ttl_s))))

    async def _holder(self, key: str, address: str) -> KeyHolder | Result:
        found = await service_keys.holder(self._engine, key) if is_key(key) else None
        now_ms = self._clock_ms()
        if found is not None:
            if found.expires_ms is None or now_ms < found.expires_ms:
                return found
            # No guess, but a system that nobody told.
            return refused(Code.NOT_AUTHENTICATED, "the key has expired")
        blocked = await self._throttle.take(throttle.wrong_keys(address), now_ms)
        entry = Entry("log_in", address=address, detail="key")
        if blocked is None:
            await self._note(entry.refused(Code.BAD_CREDENTIALS))
            text = "the key is none of ours, or was revoked"
            return refused(Code.NOT_AUTHENTICATED, text)
        metrics.log_ins_throttled.inc()
        if blocked.is_news:
            await self._note(entry.refused(Code.RATE_LIMITED))
        wait_s = math.ceil(blocked.wait_ms / 1000)
        text = f"too many wrong keys; try again in {wait_s} s"
        return replace(refused(Code.RATE_LIMITED, text), retry_after_s=wait_s)

    async def end(self, request: End) -> Result:
        """One key; or a user's sessions and keys."""
        user = await service_keys.user_of(self._engine, request.who)
        if user is not None:
            await self._end_keys(user, [request.who])
            which = f"key {request.who}"
            await self._note(Entry("service_key_end", request.by, user, detail=which))
            return answered(Ended(user, request.who))
        user = await users.find_id(self._engine, request.who)
        if user is None or not await self.end_all(user):
            text = "there is no such user, and no such key"
            return refused(Code.INVALID_DATA, text, 404)
        await self._note(Entry("revoke", request.by, user))
        return answered(Ended(user))

    async def end_all(self, user: str) -> bool:
        """End all sessions and keys of a user; False: there is no such user."""
        await self._end_keys(user, await service_keys.of_user(self._engine, user))
        issued_ms = await sessions.end_all(self._engine, user)
        if issued_ms is None:
            return False
        # Another worker's clock may be ahead of ours; its tokens end as well.
        at_ms = max(self._clock_ms(), issued_ms)
        await self._revoker.publish(Revocation(user, None, at_ms))
        return True

    async def _end_keys(self, user: str, keys: list[str]) -> None:
        """Published before the rows go: who repeats this after a crash in between still
        can. A token that is made meanwhile ends as well, since it names its key.
        """
        for key in keys:
            await self._revoker.publish(Revocation(user, key, self._clock_ms()))
        if keys:
            await service_keys.end(self._engine, keys)
            log.info("service keys ended", user=user, keys=keys)

    async def _note(self, entry: Entry) -> None:
        async with self._engine.begin() as connection:
            await audit_log.write(connection, entry, self._clock_ms())
