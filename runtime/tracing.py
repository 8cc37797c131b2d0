"""Spans to OpenTelemetry where that is wanted; else nothing is imported, made or sent.

On by `CABRANK_OTEL_ENDPOINT` or the standard `OTEL_EXPORTER_OTLP_*` variables. Sampling
is decided at the head: by the flag of the `traceparent` that a client sends or, where
it sends none, by the gateway for a share of `CABRANK_OTEL_RATIO`. What is not sampled
is passed on and recorded nowhere; so too what clients want recorded beyond
`CABRANK_OTEL_FROM_CLIENTS_PER_S`, or one of them would fill the queues of spans.

Must not be called by pure files; nothing here blocks but `configure` and `close`.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runtime.rate import TokenBucket
from runtime.settings import Settings, SettingsError
from schemas import traceparent as contexts

if TYPE_CHECKING:
    from runtime import otel

current: ContextVar[str] = ContextVar("traceparent", default="")
"""Of the request that a task works on; logs tell it, questions carry it on."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry specification, "OTLP Exporter Configuration"."""

CLIENTS_BURST_S = 10
"""Who debugs begins a few traces at once; then only as fast as the setting has it."""

_recorder: "otel.Recorder | None" = None
_ratio = 0.0
_from_clients = TokenBucket(0, 0, 0)

Attribute = str | int | float | bool


class Span:
    """`traceparent`: the context for what it causes; empty: none."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, traceparent: str, span: "otel.Span | None" = None) -> None:
        self.traceparent = traceparent
        self._span = span

    @property
    def is_recording(self) -> bool:
        return self._span is not None

    def end(self, error: str = "", **attributes: Attribute) -> None:
        """It is over; `error`: why it failed, empty where it didn't. Idempotent."""
        span, self._span = self._span, None
        if span is None:
            return
        from runtime.otel import StatusCode  # noqa: PLC0415 - loaded, since it is a span

        span.set_attributes(attributes)
        if error:
            span.set_status(StatusCode.ERROR, error)
        span.end()


NONE = Span("")


def is_wanted(settings: Settings) -> bool:
    """Whether spans shall be sent, by our settings or by OpenTelemetry's own."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return bool(settings.otel_endpoint) or any(map(os.environ.get, ENDPOINTS))


def check(settings: Settings) -> None:
    """Whether what is wanted can be done.

    Raises:
        SettingsError: spans are wanted, and the extra `otel` is not installed.
    """
    if is_wanted(settings) and find_spec("opentelemetry") is None:
        msg = (
            "CABRANK_OTEL_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT is set, but "
            "OpenTelemetry is not installed: pip install 'cabrank[otel]'."
        )
        raise SettingsError(msg)


def configure(service: str, settings: Settings) -> None:
    """Turn tracing on where it is wanted; once a process, before its loop runs.

    Raises:
        SettingsError: as `check`.
    """
    check(settings)
    if is_wanted(settings):
        from runtime import otel  # noqa: PLC0415 - an extra

        # One a process, as the SDK has it.
        global _recorder, _ratio, _from_clients  # noqa: PLW0603
        _recorder = otel.Recorder(service, settings.otel_endpoint)
        _ratio = settings.otel_ratio
        per_s = settings.otel_from_clients_per_s
        _from_clients = TokenBucket(per_s, per_s * CLIENTS_BURST_S, time.monotonic())


def close() -> None:
    """Send what is queued, for some seconds at most, and turn tracing off. Blocks."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.close()


def is_on() -> bool:
    return _recorder is not None


def enter(name: str, parent: str, **attributes: Attribute) -> Span:
    """The span of something that came from outside; without a `parent`, one in so many
    begins a trace. A sampled one counts, unless it is `current` and so did before.
    """
    if not parent:
        if _recorder is None or random.random() >= _ratio:  # noqa: S311 - no secret
            return NONE
        return _made(name, parent, time.time_ns(), attributes)
    if _recorder is not None and contexts.is_sampled(parent):
        known = parent == current.get()
        if not known and not _from_clients.take(time.monotonic()):
            return Span(contexts.unsampled(parent))
    return begin(name, parent, **attributes)


def begin(name: str, parent: str, **attributes: Attribute) -> Span:
    """A span below `parent`; where that is not sampled, one that only carries it on."""
    if _recorder is None or not contexts.is_sampled(parent):
        return Span(parent) if parent else NONE
    return _made(name, parent, time.time_ns(), attributes)


def record(
    name: str, parent: str, start_ns: int, end_ns: int, **attributes: Attribute
) -> None:
    """A span that is over already; nanoseconds since 1970."""
    if _recorder is not None and contexts.is_sampled(parent):
        span, _ = _recorder.start(name, parent, start_ns, attributes)
        span.end(end_ns)


def _made(
    name: str, parent: str, start_ns: int, attributes: dict[str, Attribute]
) -> Span:
    assert _recorder is not None
    span, traceparent = _recorder.start(name, parent, start_ns, attributes)
    return Span(traceparent, span)


@contextmanager
def request(span: Span) -> Iterator[Span]:
    """Around the handling of one request in a task of its own: its context is
    `current`, and `span` ends with it.
    """
    token = current.set(span.traceparent)
    try:
        yield span
    except BaseException as error:
        span.end(type(error).__name__)
        raise
    finally:
        current.reset(token)
        span.end()
