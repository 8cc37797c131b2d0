"""Questions to persistence: request-reply over the lean bus, one subscription for all.

nats-py's own `request()` costs a task and a queue for its inbox. Knows nothing of what
is asked; never raises for what the network does.
"""

import asyncio
import secrets

import structlog
from msgspec import Struct
from prometheus_client import Counter, Histogram

from runtime import tracing
from runtime.bus import Bus, is_no_responders
from schemas import subjects, traceparent
from schemas.accounts import Result
from schemas.codec import CodecError, decode, encode
from schemas.refusals import Code, Refusal

log = structlog.get_logger()

ASKS = Counter(
    "cabrank_gateway_asks_total",
    "Questions to persistence, by outcome",
    ["subject", "outcome"],
)
ASK_SECONDS = Histogram(
    "cabrank_gateway_ask_seconds",
    "Time until persistence answered a question",
    ["subject"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

PENDING_MAX = 10_000
"""Questions in flight; about 2 KiB each. At the five seconds' limit that is 2,000
requests/s that nobody answers."""
RETRY_AFTER_S = (0.05, 0.1, 0.2, 0.4)
"""Pauses after "no responders" or without a connection, 0.75 s in all: a persistence
worker that is restarted is back within about that."""

UNAVAILABLE = Result(
    refused=Refusal(Code.UNAVAILABLE, "the service behind this did not answer")
)
NOBODY = Result(
    refused=Refusal(Code.UNAVAILABLE, "the service behind this is not running")
)
OVERLOADED = Result(
    refused=Refusal(
        Code.OVERLOADED, f"over {PENDING_MAX} questions wait for an answer already"
    )
)


class Questions:
    """One per process. `answers`: first token of where they are to come."""

    __slots__ = ("_answers", "_bus", "_last", "_name", "_pending", "_subscription")

    def __init__(self, bus: Bus, answers: str = subjects.RESULTS) -> None:
        self._bus = bus
        self._answers = answers
        self._name = secrets.token_hex(8)
        self._last = 0
        self._pending: dict[int, asyncio.Future[bytes | None]] = {}
        self._subscription = bus.subscribe_raw(
            subjects.all_results(self._name, answers), self._answered
        )

    async def ask(self, subject: str, request: Struct, timeout_s: float = 5) -> Result:
        """Ask and wait.

        A question that nobody took ("no responders", or no connection) is asked again,
        which is safe whatever it asks for; one that somebody may have taken is not.

        Returns:
            The answer; or `unavailable`, outcome unknown, after `timeout_s` seconds or
            when nobody is there; or `overloaded`, not asked.
        """
        if len(self._pending) >= PENDING_MAX:
            return _counted(subject, OVERLOADED)
        payload = encode(request)
        try:
            with ASK_SECONDS.labels(subject).time():
                async with asyncio.timeout(timeout_s):
                    answer = await self._insist(subject, payload)
        except TimeoutError:
            log.warning("no answer in time", subject=subject, limit_s=timeout_s)
            return _counted(subject, UNAVAILABLE)
        if answer is None:
            return _counted(subject, NOBODY)
        try:
            return _counted(subject, decode(answer, Result))
        except CodecError as error:
            log.error("unreadable answer", subject=subject, error=str(error))  # noqa: TRY400
            return _counted(subject, UNAVAILABLE)

    def close(self) -> None:
        """Stop listening; what is being asked runs into its time-out."""
        self._subscription.cancel()

    async def _insist(self, subject: str, payload: bytes) -> bytes | None:
        for pause_s in (*RETRY_AFTER_S, None):
            answer = await self._once(subject, payload)
            if answer is not None:
                return answer
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        return None

    async def _once(self, subject: str, payload: bytes) -> bytes | None:
        """The answer; None: certainly nobody got the question."""
        self._last = number = self._last + 1
        waiting: asyncio.Future[bytes | None]
        waiting = asyncio.get_running_loop().create_future()
        self._pending[number] = waiting
        try:
            reply = subjects.result(self._name, number, self._answers)
            headers = traceparent.block(tracing.current.get())
            if not self._bus.send(subject, payload, reply, headers):
                return None
            return await waiting
        finally:
            del self._pending[number]

    def _answered(
        self, subject: bytes, _reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        # In NATS's read loop: must not raise. Numbers are only ever our own.
        try:
            number = subjects.number_of_result(subject.decode())
        except ValueError:
            return
        waiting = self._pending.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(None if is_no_responders(headers) else bytes(payload))


def _counted(subject: str, result: Result) -> Result:
    outcome = "ok" if result.refused is None else result.refused.code.value
    ASKS.labels(subject, outcome).inc()
    return result
