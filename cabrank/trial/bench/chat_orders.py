"""What `cabrank bench chat` and its members' process tell each other. Pure."""

from msgspec import Struct

from cabrank.trial.bench.orders import Member


class Order(Struct):
    """`members`: by room. `burst`: messages at once in each room, `bursts` of them a
    window; then `rate` messages/s for `steady_s`.
    """

    base: str
    members: list[list[Member]]
    warm_up: int
    windows: int
    bursts: int
    burst: int
    rate: float
    steady_s: float


class Window(Struct):
    """Steady ones have latencies: from sending to the last member's hearing, ms."""

    kind: str
    messages: int
    deliveries: int
    seconds: float
    cpu_s: float
    latencies_ms: list[float]


class Summary(Struct):
    """`lost`: messages that a member did not hear, or heard out of order or twice."""

    lost: int
    troubles: dict[str, int]
