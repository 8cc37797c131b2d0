"""What the bench tells a fleet of drivers and their riders to do, and what it hears
back. Pure data; a line of JSON each way, one order at a time.
"""

from msgspec import Struct


class Enlist(Struct, tag=True):
    """Connect as each of the tokens; drivers ask for offers, and say where they are."""

    base: str
    drivers: list[str]
    riders: list[str]


class Attend(Struct, tag=True):
    """All drivers go online, or offline."""

    online: bool


class Live(Struct, tag=True):
    """For so long each driver says where they are every `every_s` (0: not at all), and
    `per_s` trips are requested a second: with a place, so that they are offered, or
    without, so that all are told. Who is offered one, or the first idle one who is
    told, takes it and drives it to its end at once; or, with `cancels`, nobody does,
    and its rider cancels it a moment later.
    """

    seconds: float
    every_s: float = 0.0
    per_s: float = 0.0
    placed: bool = True
    cancels: bool = False


FleetOrder = Enlist | Attend | Live


class Lived(Struct):
    """`seconds`, `cpu_s`: of the fleet itself. `waits_s`: from each request to its
    first offer, or to the first who was told. `lost`: trips that didn't end.
    `positions`: said. `asked_s`, `heard_s`: when trips were requested, and when a
    driver of this process first heard of them, on the clock that processes share.
    """

    seconds: float
    cpu_s: float
    requests: int = 0
    completed: int = 0
    positions: int = 0
    waits_s: list[float] = []
    lost: int = 0
    troubles: dict[str, int] = {}
    asked_s: dict[str, float] = {}
    heard_s: dict[str, float] = {}
