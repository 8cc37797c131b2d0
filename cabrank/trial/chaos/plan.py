"""Which faults there are, and in which order a seed deals them. Breaks nothing."""

from collections.abc import Iterator
from enum import StrEnum
from random import Random

from msgspec import Struct


class Kind(StrEnum):
    """What goes wrong. `kill`: SIGKILL, `term`: SIGTERM, `hang`: SIGSTOP, SIGCONT."""

    KILL_LEADER = "kill-leader"
    TERM_LEADER = "term-leader"
    HANG_LEADER = "hang-leader"
    KILL_STANDBY = "kill-standby"
    KILL_GATEWAY = "kill-gateway"
    TERM_GATEWAY = "term-gateway"
    HANG_GATEWAY = "hang-gateway"
    KILL_PERSISTENCE = "kill-persistence"
    TERM_PERSISTENCE = "term-persistence"
    HANG_PERSISTENCE = "hang-persistence"
    KILL_WEBHOOKS = "kill-webhooks"
    TERM_WEBHOOKS = "term-webhooks"
    HANG_WEBHOOKS = "hang-webhooks"
    HANG_ENDPOINT = "hang-endpoint"
    """Somebody else's, that webhooks are sent to, as the next two."""
    ENDPOINT_FAILS = "endpoint-fails"
    """It answers 500."""
    ENDPOINT_AWAY = "endpoint-away"
    """It dies, and is started again after a while."""
    KILL_NATS = "kill-nats"
    TERM_NATS = "term-nats"
    HANG_NATS = "hang-nats"
    KILL_LEDGER_LEADER = "kill-ledger-leader"
    """Of several NATS servers the one that leads the ledger's stream."""
    HANG_LEDGER_LEADER = "hang-ledger-leader"
    """It stands still, as one does whom the network has cut off from everybody."""
    CUT_LEDGER_LEADER = "cut-ledger-leader"
    """The others don't reach it, nor it them; clients do."""
    KILL_SERVICES = "kill-services"
    """All dispatchers, gateways, persistence and webhooks workers at once."""
    CUT_SOCKETS = "cut-sockets"
    """Between clients and one gateway; new ones are refused meanwhile."""
    DATABASE_AWAY = "database-away"
    DATABASE_FULL = "database-full"
    LEDGER_FULL = "ledger-full"


FULL_KINDS = frozenset({Kind.LEDGER_FULL, Kind.DATABASE_FULL})
CLUSTER_KINDS = frozenset(
    {Kind.KILL_LEDGER_LEADER, Kind.HANG_LEDGER_LEADER, Kind.CUT_LEDGER_LEADER}
)
HOLD_S: dict[Kind, float] = {
    Kind.HANG_LEDGER_LEADER: 15,
    Kind.CUT_LEDGER_LEADER: 15,
    Kind.HANG_LEADER: 4,
    Kind.HANG_GATEWAY: 3,
    Kind.HANG_PERSISTENCE: 3,
    Kind.HANG_WEBHOOKS: 3,
    Kind.HANG_ENDPOINT: 3,
    Kind.ENDPOINT_FAILS: 3,
    Kind.ENDPOINT_AWAY: 3,
    Kind.HANG_NATS: 3,
    Kind.CUT_SOCKETS: 1,
    Kind.DATABASE_AWAY: 4,
    Kind.DATABASE_FULL: 3,
    Kind.LEDGER_FULL: 3,
}
"""How long what can last is left so. A leader is taken for dead after 2 s, a NATS
server by the others after some 5 to 10 s."""
SECONDS = frozenset(
    {
        Kind.KILL_LEADER,
        Kind.KILL_STANDBY,
        Kind.KILL_GATEWAY,
        Kind.KILL_PERSISTENCE,
        Kind.KILL_WEBHOOKS,
        Kind.CUT_SOCKETS,
    }
)
"""What may come on top of another fault."""
PAUSE_S = (0.5, 2.0)
"""Of peace before each fault."""


class Fault(Struct, frozen=True):
    """`also`: a second one, at the same moment."""

    kind: Kind
    hold_s: float
    pause_s: float
    also: Kind | None = None

    def __str__(self) -> str:
        return self.kind if self.also is None else f"{self.kind} and {self.also}"


def deal(
    rng: Random, kinds: list[Kind], *, hold_s: float | None, pairs: float
) -> Iterator[Fault]:
    """For ever: every kind once in random order, then again. `hold_s`: instead of
    `HOLD_S`; `pairs`: share (0-1) of faults that another one comes on top of.
    """
    while True:
        deck = list(kinds)
        rng.shuffle(deck)
        for kind in deck:
            hold = HOLD_S.get(kind, 0.0)
            if hold and hold_s is not None:
                hold = hold_s
            pause_s = rng.uniform(*PAUSE_S)
            others = sorted(SECONDS & set(kinds) - {kind})
            pair = rng.random() < pairs and kind is not Kind.KILL_SERVICES
            also = rng.choice(others) if pair and others else None
            yield Fault(kind, hold, pause_s, also)
