"""What the bench tells a crowd of clients to do, and what it hears back. Pure data.

A line of JSON each way, one task at a time (cabrank/bench/crowd.py).
"""

from msgspec import Struct


class Open(Struct, tag=True):
    """Connect as each of `tokens`, `at_once` at a time, and await their welcomes."""

    base: str
    tokens: list[str]
    drivers: bool
    at_once: int = 64


class Ask(Struct, tag=True):
    """Request trips, each as a rider of its own; every driver is to see each.

    `burst` requests go out together. Without `per_s` the next burst follows when all
    drivers have seen the last one; with it, requests are made at that rate whatever
    happens. `copies`: how many frames a driver gets of each (the floor's may be many).
    """

    requests: int
    burst: int = 1
    per_s: float | None = None
    copies: int = 1


class Clear(Struct, tag=True):
    """Cancel the trips that `Ask` left open."""


class Locate(Struct, tag=True):
    """Each driver sends `frames` positions; `per_s` each, or as fast as they go."""

    frames: int
    per_s: float | None = None


class Count(Struct, tag=True):
    """How many connections are still open?"""


Task = Open | Ask | Clear | Locate | Count


class Done(Struct):
    """`deliveries`, `expected`: frames that drivers got, and should have got.

    `repeats`: those that came twice. `latencies_s`: from a request to its last driver.
    `frame_bytes`: length of the payload of the last one. `open`: connections. `cpu_s`:
    of the crowd itself.
    """

    seconds: float
    cpu_s: float
    open: int
    deliveries: int = 0
    expected: int = 0
    lost: int = 0
    repeats: int = 0
    frame_bytes: int = 0
    latencies_s: list[float] = []
    troubles: dict[str, int] = {}
