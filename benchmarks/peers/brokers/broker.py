"""What a broker is to the benchmark. Pure data."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from msgspec import Struct

from brokers import links
from cabrank.trial.load.link import Connect
from schemas.trips import Role


def _there() -> str | None:
    return None


class Broker(Struct, frozen=True):
    """`start`: a server in a directory, its pid in `run/gateway-1.pid`; yields its base
    URL. `settings`: what was chosen, for the page. `lacking`: why it is left out, None
    where it is there. `recovers`: who comes back is sent what was missed.
    """

    name: str
    licence: str
    settings: str
    start: Callable[[Path], AbstractContextManager[str]]
    connect: Connect
    token: Callable[[Role], str] = links.hs256
    lacking: Callable[[], str | None] = _there
    recovers: bool = False
