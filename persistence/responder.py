"""Request-reply over NATS: questions in, a `schemas.accounts.Result` each out.

A queue group, so that any worker may answer; at most so many at once, a bounded line
behind them, and `overloaded` past that. Knows no operation.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog

from persistence import metrics
from runtime import tracing
from runtime.bus import Bus
from runtime.raw_subscription import RawCallback, RawSubscription
from schemas import codec, traceparent
from schemas.accounts import Result
from schemas.refusals import Code, Refusal

log = structlog.get_logger()

T = TypeVar("T")
Handler = Callable[[T], Awaitable[Result]]

WAITING_MAX = 1024
"""Requests in line; with a millisecond each, about a second's worth."""
WAIT_MAX_S = 5.0
"""Who waited longer has asked somebody else, or given up (PROTOCOL.md: 10 s)."""


def refused(code: Code, message: str, status: int | None = None) -> Result:
    return Result(refused=Refusal(code, message), status=status)


def answered(data: Any) -> Result:
    """`data` (a struct of `schemas`, or None for null) as a Result."""
    return Result(data=msgspec.Raw(codec.encode(data)))


class _Operation:
    __slots__ = ("handler", "name", "shape")

    def __init__(self, name: str, shape: Any, handler: Handler[Any]) -> None:
        self.name = name
        self.shape = shape
        self.handler = handler


class Responder:
    """Answers requests of one queue group.

    A handler's exception is logged and answered `unavailable`: the outcome is unknown.
    """

    def __init__(self, bus: Bus, queue: str, concurrency_max: int) -> None:
        self._bus = bus
        self._queue = queue
        self._concurrency_max = concurrency_max
        self._operations: list[_Operation] = []
        self._subscriptions: list[RawSubscription] = []
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[_Operation, str, bytes, str, float]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, subject: str, shape: type[T], handler: Handler[T]) -> None:
        """Have `handler` answer requests on `subject` that decode as `shape`; others
        are refused with `invalid_data`. Before `start`.
        """
        self._operations.append(_Operation(subject, shape, handler))
        metrics.request_seconds.labels(subject)  # its first request is an increase
        metrics.requests.labels(subject, "answered")

    def start(self) -> None:
        for operation in self._operations:
            self._subscriptions.append(
                self._bus.subscribe_raw(
                    operation.name, self._callback(operation), self._queue
                )
            )

    def start_again(self) -> None:
        """Subscribe anew: NATS had forbidden it, and keeps nothing of what it forbids.
        Requests in hand are answered.
        """
        for subscription in self._subscriptions:
            subscription.cancel()
        self._subscriptions.clear()
        self.start()

    async def stop(self) -> None:
        """Take no more requests; answer those that were taken, and those that NATS had
        given us by then: nobody else gets them, and who asks doesn't ask again.
        """
        subscriptions, self._subscriptions = self._subscriptions, []
        await self._bus.leave(subscriptions)
        await self._idle.wait()

    def _callback(self, operation: _Operation) -> RawCallback:
        def received(
            _subject: bytes, reply: bytes, payload: bytes, headers: bytes
        ) -> None:
            to = reply.decode()
            trace = traceparent.of_block(headers)
            if len(self._running) < self._concurrency_max:
                self._run(operation, to, payload, trace)
            elif len(self._waiting) < WAITING_MAX:
                now = time.monotonic()
                self._waiting.append((operation, to, payload, trace, now))
                metrics.waiting_requests.set(len(self._waiting))
            else:
                message = f"{WAITING_MAX} requests are waiting already"
                self._answer(operation, to, refused(Code.OVERLOADED, message))

        return received

    def _run(self, operation: _Operation, to: str, payload: bytes, trace: str) -> None:
        self._idle.clear()
        task = asyncio.create_task(self._traced(operation, to, payload, trace))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bus.fail(error)
        now = time.monotonic()
        while self._waiting:
            operation, to, payload, trace, since = self._waiting.popleft()
            metrics.waiting_requests.set(len(self._waiting))
            if now - since <= WAIT_MAX_S:
                self._run(operation, to, payload, trace)
                return
            message = f"waited {now - since:.1f} s, over {WAIT_MAX_S} s"
            self._answer(operation, to, refused(Code.OVERLOADED, message))
        if not self._running:
            self._idle.set()

    async def _traced(
        self, operation: _Operation, to: str, payload: bytes, trace: str
    ) -> None:
        span = tracing.begin("persistence request", trace, operation=operation.name)
        with tracing.request(span):
            await self._handle(operation, to, payload)

    async def _handle(self, operation: _Operation, to: str, payload: bytes) -> None:
        started = time.perf_counter()
        try:
            request = codec.decode(payload, operation.shape)
        except codec.CodecError as error:
            self._answer(operation, to, refused(Code.INVALID_DATA, str(error)))
            return
        try:
            result = await operation.handler(request)
        except Exception:
            log.exception("request failed", operation=operation.name)
            message = "the outcome is unknown, try again"
            result = refused(Code.UNAVAILABLE, message)
        metrics.request_seconds.labels(operation.name).observe(
            time.perf_counter() - started
        )
        self._answer(operation, to, result)

    def _answer(self, operation: _Operation, to: str, result: Result) -> None:
        payload = codec.encode(result)
        if len(payload) > self._bus.max_payload:
            # The server would close the connection over it.
            limit = self._bus.max_payload
            message = f"the answer has {len(payload)} bytes, over {limit}"
            log.error("answer too big", operation=operation.name, bytes=len(payload))
            result = refused(Code.UNAVAILABLE, message)
            payload = codec.encode(result)
        outcome = "answered" if result.refused is None else str(result.refused.code)
        metrics.requests.labels(operation.name, outcome).inc()
        if to:
            self._bus.send(to, payload)
