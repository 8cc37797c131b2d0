"""The OpenTelemetry SDK as runtime/tracing.py needs it: imported only where tracing is
on, since it takes 0.2 s and is an extra.

An ended span goes to a bounded queue; the SDK's own thread exports it, and what finds
the queue full is dropped.
"""

import os
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from schemas import traceparent as contexts

__all__ = ["Recorder", "Span", "StatusCode"]

EXPORT_S = 5
"""A collector that takes longer loses the batch; an end waits no longer than this."""
QUEUE_MAX = 8_192
"""Spans, some 1 KiB each: a second of a gateway's commands if all were sampled."""


class Recorder:
    """`endpoint`: a collector's OTLP/HTTP base URL; empty: what OTEL_* say."""

    def __init__(self, service: str, endpoint: str) -> None:
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None,
            timeout=EXPORT_S,
        )
        resource = Resource.create(
            {
                "service.name": f"cabrank-{service}",
                "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
            }
        )
        # Whoever makes a span has decided already that it is sampled.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_MAX)
        )
        self._tracer = self._provider.get_tracer("cabrank")

    def start(
        self,
        name: str,
        parent: str,
        start_ns: int,
        attributes: Mapping[str, str | int | float | bool],
    ) -> tuple[Span, str]:
        """A span below `parent` (empty: the first of a trace), and its own context."""
        context = _remote(parent) if parent else Context()
        span = self._tracer.start_span(
            name, context, attributes=attributes, start_time=start_ns
        )
        said = span.get_span_context()
        return span, f"00-{said.trace_id:032x}-{said.span_id:016x}-01"

    def close(self) -> None:
        """Send what is queued. Blocks, for `EXPORT_S` at most."""
        self._provider.force_flush(EXPORT_S * 1000)
        self._provider.shutdown()


def _remote(parent: str) -> Context:
    trace, span = contexts.ids(parent)
    said = SpanContext(
        int(trace, 16),
        int(span, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(said), Context())
