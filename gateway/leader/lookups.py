"""What a command or a session waits for, asked of persistence beside everything else.

Never raises for what the network does; runtime/questions.py carries the questions.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from gateway.asking import Asking
from gateway.clock import Clock
from gateway.leader.commands import Pending
from gateway.limits import Limits
from runtime.lifecycle import Service
from runtime.questions import Questions
from schemas import subjects
from schemas.accounts import FindBacklog, FindMade, FindTrip, FindUser, LogIn, Result
from schemas.commands import Lookup
from schemas.refusals import Code

_LOG_IN = subjects.accounts("log_in")
_WHEREABOUTS = subjects.accounts("whereabouts")
LOOKUPS_MAX = 64
"""Questions to history at once."""
Found = tuple[Result | None, Result | None, Result | None, Result | None]
"""The trip, the room's backlog, what a key made, a user; None: wasn't asked."""


class Lookups:
    def __init__(
        self,
        asker: Questions,
        service: Service,
        limits: Limits,
        now: Clock,
        asking: Asking,
    ) -> None:
        self._asker = asker
        self._asking = asking
        self._service = service
        self._limits = limits
        self._now = now
        self._at_once = asyncio.Semaphore(LOOKUPS_MAX)

    def look_up(
        self, pending: Pending, lookup: Lookup, told: Callable[[Found], None]
    ) -> None:
        """What a leader has forgotten of a command; never raises, always tells."""

        async def find() -> None:
            told(await self._find(pending, lookup))

        self._service.spawn("history.find", find(), may_end=True)

    async def _find(self, pending: Pending, lookup: Lookup) -> Found:
        trip = backlog = made = user = None
        if lookup.trip:
            question = FindTrip(pending.region, lookup.trip, lookup.seq)
            trip = await self._insist(pending, "find", question)
        if lookup.room:
            about = FindBacklog(pending.region, lookup.room, lookup.seq)
            backlog = await self._insist(pending, "backlog", about)
        if lookup.key:
            made = await self._insist(pending, "made", _key_of(pending, lookup))
        if lookup.user:
            user = await self._asker.ask(_WHEREABOUTS, FindUser(lookup.user))
        return trip, backlog, made, user

    async def _insist(self, pending: Pending, operation: str, about: Struct) -> Result:
        """Ask until history is far enough, or the command's deadline has passed."""
        subject = subjects.history(operation)
        while True:
            async with self._at_once:
                result = await self._asker.ask(subject, about)
            refused = result.refused
            lagging = refused is not None and refused.code is Code.UNAVAILABLE
            if not lagging or self._now().mono_s >= pending.deadline_s:
                return result
            await asyncio.sleep(self._limits.lookup_retry_s)

    def log_in(self, request: LogIn, told: Callable[[Result], None]) -> None:
        """Have a password checked."""
        question = partial(self._asker.ask, _LOG_IN, request)

        async def ask() -> None:
            told(await self._asking.ask(request.address, question))

        self._service.spawn("accounts.log_in", ask(), may_end=True)


def _key_of(pending: Pending, lookup: Lookup) -> FindMade:
    """The question what a command's key made."""
    command = pending.command
    key = getattr(command, "key", None) or ""
    kind = str(command.__struct_config__.tag)
    return FindMade(
        pending.region, command.by.id, key, kind, lookup.since_ms, lookup.seq
    )
