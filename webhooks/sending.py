"""The senders' shell: claims lines, tries what is in them, tells persistence what came
of it. Several workers are safe: a line is claimed by one.

Each endpoint has a bound of its own to what is in flight, so that one that hangs takes
nobody else's place. What is told to persistence is told until it is taken; the lines of
a worker that dies are let go of as their leases end.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

import structlog

from runtime.lifecycle import Service, cancel
from schemas.webhooks import Claim, Hook, Line, Outcome, Released, Settle, Waiting
from webhooks import metrics, post, signing
from webhooks.desk import Desk
from webhooks.errors import NotAnswered
from webhooks.resolving import Resolver
from webhooks.verdict import Verdict, verdict

log = structlog.get_logger()

IN_FLIGHT_MAX = 32
"""Lines of one endpoint that one worker tries at once: each is a connection."""
HELD_MAX = 256
"""Lines of one that are claimed ahead, while it takes what it is sent: a transaction
for hundreds rather than for each."""
TICK_S = 0.5
"""Between looks for what is due, or was stored by another worker."""
CHAIN_S = 5.0
"""So long a claimed line is gone on with: the lease is that, a try's limit, and to
tell of it."""
GATHER_S = 0.02
"""So long outcomes wait for company: fifty transactions a second at most."""
SETTLE_MAX = 500
RETRY_S = (0.25, 5.0)
"""First and longest wait while persistence doesn't answer; doubles in between."""


class Lane:
    """One webhook's lines at this worker: those that wait, and those being tried."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Line, float]] = deque()
        """Each with when it was asked for."""
        self.trying = 0
        self.takes_all = False
        """Whether it took the last; else no more is claimed than is tried at once."""

    @property
    def held(self) -> int:
        return self.trying + len(self.waiting)

    def room(self) -> int:
        """How many lines are to be claimed: none until half of what may be is done."""
        most = HELD_MAX if self.takes_all else IN_FLIGHT_MAX
        return most - self.held if 2 * self.held <= most else 0


class Sender:
    """`hooks` are told by `know`."""

    def __init__(self, desk: Desk, *, private: bool) -> None:
        self._desk = desk
        self._resolver = Resolver(private=private)
        self._context: ssl.SSLContext | None = None
        self._hooks: dict[str, Hook] = {}
        self._endpoints: dict[str, post.Endpoint] = {}
        self._lanes: defaultdict[str, Lane] = defaultdict(Lane)
        self._tasks: set[asyncio.Future[None]] = set()
        self._due = asyncio.Event()
        self._outcomes: list[Outcome] = []
        self._released: list[Released] = []
        self._gone: list[str] = []
        self._told = asyncio.Event()
        self._stopping = False

    def start(self, service: Service) -> None:
        service.spawn("sender", self._claim_all(), may_end=True)
        self._settling = service.spawn("settler", self._settle_all(), may_end=True)

    async def stop(self) -> None:
        """End what is being tried, and tell of it."""
        self._stopping = True
        self._due.set()
        for webhook, lane in self._lanes.items():
            self._pump(webhook, lane)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=post.ANSWER_S)
            await cancel(late)
        self._told.set()
        await self._settling
        for endpoint in self._endpoints.values():
            await endpoint.close()

    def ring(self) -> None:
        """Something may be due."""
        self._due.set()

    def know(self, hooks: Iterable[Hook]) -> None:
        """Which webhooks there are now."""
        new = {hook.id: hook for hook in hooks}
        if new.keys() - self._hooks.keys():
            self._due.set()
        self._hooks = new
        for webhook in [one for one in self._lanes if one not in new]:
            if not self._lanes[webhook].held:
                del self._lanes[webhook]
        for webhook in [one for one in self._endpoints if one not in self._lanes]:
            self._begin(self._endpoints.pop(webhook).close())

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- claiming ------------------------------------------------------------

    async def _claim_all(self) -> None:
        pause, longest = RETRY_S
        while not self._stopping:
            self._due.clear()
            room = {hook: self._lanes[hook].room() for hook in self._hooks}
            room = {hook: count for hook, count in room.items() if count}
            if not room:
                await self._until_due()
                continue
            asked_at = time.monotonic()
            try:
                claimed = await self._desk.claim(Claim(room))
            except NotAnswered as error:
                log.warning("nothing can be claimed yet", error=str(error))
                await asyncio.sleep(pause)
                pause = min(longest, pause * 2)
                continue
            pause = RETRY_S[0]
            for line in claimed.lines:
                self._lanes[line.webhook].waiting.append((line, asked_at))
            for webhook in {line.webhook for line in claimed.lines}:
                self._pump(webhook, self._lanes[webhook])
            if not (claimed.more and claimed.lines):
                await self._until_due()

    async def _until_due(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._due.wait(), TICK_S)

    # ---- trying --------------------------------------------------------------

    def _pump(self, webhook: str, lane: Lane) -> None:
        """Try as many of its lines as may be."""
        while lane.waiting and lane.trying < IN_FLIGHT_MAX:
            line, asked_at = lane.waiting.popleft()
            lane.trying += 1
            metrics.in_flight.inc()
            task = self._begin(self._try_line(lane, line, asked_at))
            task.add_done_callback(partial(self._ended, webhook, lane, line))

    def _ended(
        self, webhook: str, lane: Lane, line: Line, done: asyncio.Task[None]
    ) -> None:
        lane.trying -= 1
        metrics.in_flight.dec()
        self._released.append(Released(webhook, line.line, line.lease))
        self._told.set()
        if not done.cancelled() and done.exception() is not None:
            log.error("a try raised", exc_info=done.exception())
        self._pump(webhook, lane)
        if lane.room():
            self._due.set()

    async def _try_line(self, lane: Lane, line: Line, asked_at: float) -> None:
        for delivery in line.deliveries:
            hook = self._hooks.get(line.webhook)
            late = time.monotonic() - asked_at > CHAIN_S
            if hook is None or late or self._stopping:
                return
            found = await self._deliver(hook, delivery)
            lane.takes_all = found.status == "taken"
            outcome = Outcome(
                line.webhook,
                delivery.ledger,
                delivery.seq,
                found.status,
                delivery.attempts + 1,
                found.again_ms,
                found.error,
            )
            self._outcomes.append(outcome)
            if found.is_gone:
                self._gone.append(line.webhook)
                return
            if found.status == "waiting" and delivery.holds:
                return

    async def _deliver(self, hook: Hook, delivery: Waiting) -> Verdict:
        now_s = int(time.time())
        headers = signing.headers(
            delivery.ledger, delivery.seq, delivery.body, hook.secrets, now_s
        )
        endpoint = self._endpoint(hook)
        answer = await endpoint.post(delivery.body.encode(), headers)
        found = verdict(answer, delivery.attempts + 1, random.random())  # noqa: S311
        metrics.attempts.labels(
            "failed" if found.status == "waiting" else found.status
        ).inc()
        return found

    def _endpoint(self, hook: Hook) -> post.Endpoint:
        found = self._endpoints.get(hook.id)
        if found is not None and found.url == hook.url:
            return found
        if self._context is None:
            self._context = post.tls()
        if found is not None:
            self._begin(found.close())
        found = post.Endpoint(hook.url, self._resolver, self._context)
        self._endpoints[hook.id] = found
        return found

    # ---- telling -------------------------------------------------------------

    async def _settle_all(self) -> None:
        while True:
            await self._told.wait()
            if not self._stopping:
                await asyncio.sleep(GATHER_S)
            self._told.clear()
            await self._settle()
            if self._stopping and not self._tasks and not self._released:
                return

    async def _settle(self) -> None:
        pause, longest = RETRY_S
        while self._released or self._outcomes:
            # A line's outcomes were told before it was let go of: never the reverse.
            lines = self._released[:SETTLE_MAX]
            outcomes = self._outcomes[:SETTLE_MAX]
            if len(self._outcomes) > SETTLE_MAX:
                lines = []
            gone = list(dict.fromkeys(self._gone))
            try:
                await self._desk.settle(Settle(outcomes, lines, gone))
            except NotAnswered as error:
                log.warning("what was tried can't be told yet", error=str(error))
                await asyncio.sleep(pause)
                pause = min(longest, pause * 2)
                continue
            pause = RETRY_S[0]
            del self._released[: len(lines)]
            del self._outcomes[: len(outcomes)]
            self._gone = [one for one in self._gone if one not in gone]
            self._due.set()
