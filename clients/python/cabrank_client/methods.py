"""Functions that make a command or a call, as methods that send it: what a method is
called, takes and says is the function's.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def described(method: F, make: Callable[..., Any]) -> F:
    """`method` as editors and `help` show it."""
    taken = inspect.signature(make)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = method.__qualname__ = make.__name__
    method.__doc__ = make.__doc__
    described: Any = method
    described.__signature__ = taken.replace(
        parameters=[itself, *taken.parameters.values()]
    )
    return method
