"""Structured logs: one JSON object a line on standard error, libraries' lines too."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from runtime import tracing
from schemas import traceparent


def configure(service: str, level: str = "info") -> None:
    """Set up structlog for this process; every line says `service`, and `trace_id` and
    `span_id` where it belongs to a traced request.

    Ids go in as keys: `trip`, `user`, `command`, `session`, `region`.
    """
    number = logging.getLevelNamesMapping()[level.upper()]

    def said_by(_: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        # Not by a context variable: a library's thread has none of ours.
        event.setdefault("service", service)
        return event

    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        said_by,
        _traced,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *processors],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(
        handlers=[handler], level=max(number, logging.WARNING), force=True
    )


def _traced(_: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    context = event.pop(traceparent.HEADER, "") or tracing.current.get()
    if context:
        event["trace_id"], event["span_id"] = traceparent.ids(context)
    return event
