"""What a schedule changes of the Python process it runs in, and gives back."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import structlog


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is logged meanwhile."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50),
        processors=[_drop],
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


@contextlib.contextmanager
def swept() -> Iterator[None]:
    """A killed process's coroutines must not end wherever Python collects garbage: what
    they do in `finally` takes locks that the code collected in may hold.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(1)
