"""An OpenTelemetry collector for tests: keeps the spans that come by OTLP/HTTP."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)


class Span(NamedTuple):
    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    failed: bool


class Collector:
    """A context manager. While `awake` is not set, it takes a request and is silent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.requests = 0
        self.awake = threading.Event()
        self.awake.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests += 1
                collector.awake.wait(60)
                collector.take(body, self.headers.get("Content-Encoding", ""))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, body: bytes, encoding: str) -> None:
        assert encoding == ""
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {a.key: a.value.string_value for a in group.resource.attributes}
            for scope in group.scope_spans:
                self.spans += [
                    _read(about["service.name"], span) for span in scope.spans
                ]

    def of(self, trace: str) -> dict[str, Span]:
        """That trace's spans by name; of several, the last that came."""
        return {span.name: span for span in list(self.spans) if span.trace == trace}

    def chain(self, trace: str, span: str) -> dict[str, Span]:
        """By name, that span of a trace and what is right below it."""
        return {
            one.name: one
            for one in list(self.spans)
            if one.trace == trace and span in (one.id, one.parent)
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.awake.set()
        self._server.shutdown()
        self._server.server_close()


def _read(service: str, span: Any) -> Span:
    attributes = {a.key: str(_value(a.value)) for a in span.attributes}
    return Span(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        attributes,
        span.status.code == 2,
    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
