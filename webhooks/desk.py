"""What is asked of persistence, with what it answers."""

from typing import TypeVar

from msgspec import Struct

from runtime.questions import Questions
from schemas import subjects
from schemas.accounts import FindNames, Result
from schemas.codec import decode
from schemas.refusals import Code
from schemas.webhooks import Claim, Claimed, Plan, Planned, Settle, Store
from webhooks.errors import Moved, NotAnswered

T = TypeVar("T")

_PLAN = subjects.deliveries("plan")
_STORE = subjects.deliveries("store")
_CLAIM = subjects.deliveries("claim")
_SETTLE = subjects.deliveries("settle")
_NAMES = subjects.history("names")
NAMES_MAX = 100
"""Of one question (schemas/accounts.py)."""


class Desk:
    """Each raises NotAnswered: ask again later."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def plan(self, asked: Plan) -> Planned:
        return decode(await self._ask(_PLAN, asked), Planned)

    async def store(self, asked: Store) -> None:
        """Raises: Moved."""
        await self._ask(_STORE, asked)

    async def claim(self, asked: Claim) -> Claimed:
        return decode(await self._ask(_CLAIM, asked), Claimed)

    async def settle(self, asked: Settle) -> None:
        await self._ask(_SETTLE, asked)

    async def names(self, users: list[str]) -> dict[str, str]:
        """Of those that are known; at most `NAMES_MAX` are asked for."""
        return decode(await self._ask(_NAMES, FindNames(users)), dict[str, str])

    async def _ask(self, subject: str, request: Struct) -> bytes:
        result: Result = await self._questions.ask(subject, request)
        if result.refused is None:
            return b"null" if result.data is None else bytes(result.data)
        if result.refused.code is Code.WRONG_STATUS:
            raise Moved(result.refused.message)
        raise NotAnswered(result.refused.message)
