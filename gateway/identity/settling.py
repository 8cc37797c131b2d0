"""Finds out about tokens that nobody can judge yet: a service account's key is asked
about, an outside issuer's keys are fetched again.

Many that wait for the same are one question. Must not decide which token is good.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from gateway.asking import Asking
from gateway.errors import UncheckedKey, UnknownKey
from gateway.identity.tokens import Identity
from runtime.lifecycle import Service
from runtime.questions import Questions
from schemas import subjects
from schemas.codec import CodecError, decode
from schemas.refusals import Code, Refusal
from schemas.service_accounts import CheckKey, KeyHolder, hash_of

if TYPE_CHECKING:
    from gateway.identity.oidc_keys import Issuer

log = structlog.get_logger()

_CHECK = subjects.accounts("check_key")


class Settling:
    """`issuer`: set once there is one."""

    def __init__(
        self, identity: Identity, asker: Questions, service: Service, asking: Asking
    ) -> None:
        self.issuer: Issuer | None = None
        self._identity = identity
        self._asker = asker
        self._service = service
        self._asking = asking
        self._asked: dict[tuple[str, str], asyncio.Task[Refusal | None]] = {}
        """By hash and address: questions under way."""

    async def settle(self, error: UnknownKey, address: str) -> Refusal | None:
        """Return once the token may be judged again; or why it is refused."""
        if isinstance(error, UncheckedKey):
            asked = hash_of(error.key), address
            task = self._asked.get(asked)
            if task is None:
                question = self._check(error.key, address)
                task = self._service.spawn("accounts.check_key", question, may_end=True)
                self._asked[asked] = task
                task.add_done_callback(lambda _: self._asked.pop(asked, None))
            return await asyncio.shield(task)
        if self.issuer is not None:
            await self.issuer.renewed()
        return None

    def can(self, error: UnknownKey) -> bool:
        """Whether there is anybody to ask."""
        return isinstance(error, UncheckedKey) or self.issuer is not None

    def begin(
        self, error: UnknownKey, address: str, told: Callable[[Refusal | None], None]
    ) -> bool:
        """`settle`, beside everything else; False: there is nobody to ask."""
        if not self.can(error):
            return False

        async def ask() -> None:
            told(await self.settle(error, address))

        self._service.spawn("token settled", ask(), may_end=True)
        return True

    async def _check(self, key: str, address: str) -> Refusal | None:
        question = partial(self._asker.ask, _CHECK, CheckKey(key, address))
        result = await self._asking.ask(address, question)
        if result.refused is not None:
            return result.refused
        try:
            holder = decode(result.data or b"", KeyHolder)
            self._identity.service_keys.learn(key, holder, time.time())
        except (CodecError, ValueError) as error:
            log.error("unreadable answer", about="a key", error=str(error))  # noqa: TRY400
            return Refusal(Code.UNAVAILABLE, "what is known of the key can't be read")
        return None
