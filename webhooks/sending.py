"""The senders' shell: claims lines, tries what is in them, tells persistence what came
of it. Several workers are safe: a line is claimed by one.

Each endpoint has a bound of its own to what is in flight, so that one that hangs takes
nobody else's place. What is told to persistence is told until it is taken; the lines of
a worker that dies are let go of as their leases end.
"""

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterable

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
"""Lines of one endpoint, of one worker: each is a connection."""
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


class Sender:
    """`hooks` are told by `know`."""

    def __init__(self, desk: Desk, *, private: bool) -> None:
        self._desk = desk
        self._resolver = Resolver(private=private)
        self._context: ssl.SSLContext | None = None
        self._hooks: dict[str, Hook] = {}
        self._endpoints: dict[str, post.Endpoint] = {}
        self._in_flight: Counter[str] = Counter()
        self._trying: set[asyncio.Task[None]] = set()
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
        if self._trying:
            _, late = await asyncio.wait(self._trying, timeout=post.ANSWER_S)
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
        is_first = bool(new) and not self._hooks
        self._hooks = new
        for webhook in list(self._endpoints):
            there = new.get(webhook)
            endpoint = self._endpoints[webhook]
            is_idle = not self._in_flight[webhook]
            if is_idle and (there is None or there.url != endpoint.url):
                del self._endpoints[webhook]
                task = asyncio.ensure_future(endpoint.close())
                self._trying.add(task)
                task.add_done_callback(self._trying.discard)
        if is_first:
            self._due.set()

    # ---- claiming ------------------------------------------------------------

    async def _claim_all(self) -> None:
        pause, longest = RETRY_S
        while not self._stopping:
            self._due.clear()
            room = self._room()
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
                self._try(line, asked_at)
            if not (claimed.more and claimed.lines):
                await self._until_due()

    def _room(self) -> dict[str, int]:
        free = {hook: IN_FLIGHT_MAX - self._in_flight[hook] for hook in self._hooks}
        return {hook: room for hook, room in free.items() if room > 0}

    async def _until_due(self) -> None:
        try:
            await asyncio.wait_for(self._due.wait(), TICK_S)
        except TimeoutError:
            return

    # ---- trying --------------------------------------------------------------

    def _try(self, line: Line, asked_at: float) -> None:
        self._in_flight[line.webhook] += 1
        metrics.in_flight.inc()
        task = asyncio.create_task(self._try_line(line, asked_at))
        self._trying.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._trying.discard(done)
            self._in_flight[line.webhook] -= 1
            metrics.in_flight.dec()
            self._released.append(Released(line.webhook, line.line, line.lease))
            self._told.set()
            if not done.cancelled() and done.exception() is not None:
                log.error("a try raised", exc_info=done.exception())

        task.add_done_callback(ended)

    async def _try_line(self, line: Line, asked_at: float) -> None:
        for delivery in line.deliveries:
            hook = self._hooks.get(line.webhook)
            late = time.monotonic() - asked_at > CHAIN_S
            if hook is None or late or self._stopping:
                return
            found = await self._deliver(hook, delivery)
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
        if found is None or (found.url != hook.url and not self._is_busy(hook.id)):
            if self._context is None:
                self._context = post.tls()
            found = post.Endpoint(
                hook.url, self._resolver, self._context, IN_FLIGHT_MAX
            )
            self._endpoints[hook.id] = found
        return found

    def _is_busy(self, webhook: str) -> bool:
        return self._in_flight[webhook] > 1

    # ---- telling -------------------------------------------------------------

    async def _settle_all(self) -> None:
        while True:
            await self._told.wait()
            if not self._stopping:
                await asyncio.sleep(GATHER_S)
            self._told.clear()
            await self._settle()
            if self._stopping and not self._trying and not self._released:
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
