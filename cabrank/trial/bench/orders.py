"""What passes between the bench and its load generator. Pure data."""

from msgspec import Struct

from schemas.trips import User


class Member(Struct):
    user: User
    access: str


class Order(Struct):
    """What to do: `windows` measurements of `window_s` after `warm_up_s`."""

    base: str
    riders: list[Member]
    drivers: list[Member]
    warm_up_s: float
    window_s: float
    windows: int


class Window(Struct):
    """Latencies in ms by command: p50 and p99."""

    trips: int
    seconds: float
    cpu_s: float
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]


class Summary(Struct):
    """`trips`: ids by rider. `unfinished`: pairs whose last trip did not end."""

    trips: dict[str, list[str]]
    unfinished: int
    troubles: dict[str, int]
