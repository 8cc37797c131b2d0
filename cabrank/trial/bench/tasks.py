"""What the bench tells a crowd of clients to do, and what it hears back. Pure data.

A line of JSON each way, one task at a time (cabrank/trial/bench/crowd.py).
"""

from collections import Counter

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


class Watch(Struct, tag=True):
    """Count from here on what another crowd asks for; answered at once."""

    requests: int
    copies: int = 1


class Gather(Struct, tag=True):
    """What has come since `Watch`: when all has, or nothing does any more."""


class Clear(Struct, tag=True):
    """Cancel the trips that `Ask` left open."""


class Locate(Struct, tag=True):
    """Each driver sends `frames` positions; `per_s` each, or as fast as they go."""

    frames: int
    per_s: float | None = None


class Cut(Struct, tag=True):
    """All drivers vanish at once, without a close frame."""


class Return(Struct, tag=True):
    """They come back, `at_once` at a time, until each knows of `requests` that were
    made meanwhile: `deliveries` counts those.
    """

    base: str
    requests: int
    at_once: int = 64


class Count(Struct, tag=True):
    """How many connections are still open?"""


Task = Open | Ask | Watch | Gather | Clear | Locate | Cut | Return | Count


class Done(Struct):
    """`deliveries`, `expected`: frames that drivers got, and should have got.

    `repeats`: those that came twice. `asked_s`, `last_s`: when a request was made and
    when its last driver had it, by the request's mark, on the clock that all processes
    of a machine share. `frame_bytes`: length of the payload of the last one. `open`:
    connections. `cpu_s`: of the crowd itself.
    """

    seconds: float
    cpu_s: float
    open: int
    deliveries: int = 0
    expected: int = 0
    lost: int = 0
    repeats: int = 0
    frame_bytes: int = 0
    asked_s: dict[str, float] = {}
    last_s: dict[str, float] = {}
    troubles: dict[str, int] = {}

    @property
    def latencies_s(self) -> list[float]:
        """From each request to its last driver, where all had it."""
        both = self.asked_s.keys() & self.last_s.keys()
        return [self.last_s[mark] - self.asked_s[mark] for mark in both]


def together(parts: list[Done]) -> Done:
    """What several crowds did at the same time, as one."""
    troubles: Counter[str] = Counter()
    for part in parts:
        troubles.update(part.troubles)
    marks = set.intersection(*(set(part.last_s) for part in parts))
    return Done(
        seconds=max(part.seconds for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        open=sum(part.open for part in parts),
        deliveries=sum(part.deliveries for part in parts),
        expected=sum(part.expected for part in parts),
        lost=sum(part.lost for part in parts),
        repeats=sum(part.repeats for part in parts),
        frame_bytes=max(part.frame_bytes for part in parts),
        asked_s={mark: at for part in parts for mark, at in part.asked_s.items()},
        last_s={mark: max(part.last_s[mark] for part in parts) for mark in marks},
        troubles=dict(troubles),
    )
