"""Structured logs: one JSON object a line on standard error."""

import logging
import sys

import structlog


def configure(service: str, level: str = "info") -> None:
    """Set up structlog for this process; every line says `service`.

    Ids go in as keys: `trip`, `user`, `command`, `session`, `region`.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(stream=sys.stderr, level=max(number, logging.WARNING))
