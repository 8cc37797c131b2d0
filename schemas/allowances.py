"""Limits of a user, PROTOCOL.md section 2: how much they may ask for, and how that is
counted, over all that one process sees of them.

Pure: instants come in as arguments and never fall. A leader's account is exact, since
all commands meet there; a gateway's keeps a flood from NATS.
"""

import math
from enum import StrEnum

from msgspec import Struct

from schemas.commands import (
    AnyCommand,
    EndSession,
    JoinRoom,
    RequestTrip,
    SendMessage,
    SyncFeed,
    SyncUser,
)
from schemas.refusals import Code, Refusal
from schemas.trips import Role, User

OPERATOR_TIMES = 10
"""Operators may do so many times as much."""
USERS_MAX = 100_000
"""Accounts of one budget in a generation, some 0.2 KB each; beyond, those unused for
longest are forgotten early, which forgives what they have used."""
_S = 1_000_000_000
_LONGEST_NS = 100 * 365 * 86_400 * _S
"""Between two: whatever is slower is never."""


class Rate(Struct, frozen=True):
    """`burst` at once, then `per_s` a second; 0: no limit."""

    per_s: float
    burst: int

    def at(self, per_s: float) -> "Rate":
        """This one, with another pace: a faster one's burst grows with it, a slower
        one's is as it was.
        """
        return Rate(per_s, round(self.burst * max(1.0, per_s / self.per_s)))


class Budget(StrEnum):
    """What is counted; a command may cost several."""

    COMMANDS = "commands"
    REQUESTS = "requests"
    MESSAGES = "messages"
    READS = "reads"
    ROOMS = "rooms"


class UserLimits(Struct, frozen=True):
    """Of one user, over all their connections; see `CABRANK_USER_…`."""

    commands: Rate = Rate(50, 200)
    requests: Rate = Rate(0.5, 10)
    messages: Rate = Rate(20, 100)
    reads: Rate = Rate(50, 200)
    rooms: Rate = Rate(2_000 / 86_400, 2_000)
    """Rooms whose first message is theirs."""
    seats_max: int = 1_024
    """Places of their sessions in rooms; 0: no limit."""

    def rate(self, budget: Budget) -> Rate:
        found: Rate = getattr(self, budget.value)
        return found


USUAL = (Budget.COMMANDS,)
_COSTS: dict[type[AnyCommand], tuple[Budget, ...]] = {
    RequestTrip: (Budget.COMMANDS, Budget.REQUESTS),
    SendMessage: (Budget.COMMANDS, Budget.MESSAGES),
    # Gateways' own: a session begins, fears a gap, or is over.
    SyncUser: (),
    SyncFeed: (),
    EndSession: (),
}


def cost_of(command: AnyCommand) -> tuple[Budget, ...]:
    """What a command costs the user in whose name it is sent."""
    cost = _COSTS.get(type(command), USUAL)
    if cost is USUAL and type(command) is JoinRoom and command.repair:
        return ()
    return cost


_NO_LIMIT = Rate(0, 0)
UNLIMITED = UserLimits(
    _NO_LIMIT, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT, seats_max=0
)


_OPERATOR = Role.OPERATOR
"""Looked up so once: Python 3.11 takes 0.1 us for it."""


def share_of(user: User) -> int:
    """How many times the usual this user may."""
    return OPERATOR_TIMES if user.role is _OPERATOR else 1


class _Account:
    """One budget's: by user, when all of it will be theirs again.

    The generic cell rate algorithm (ITU-T I.371): one integer a user, and exact, where
    adding up fractions would refuse the last of a burst. In two generations: who has
    not been in the newer one for a whole burst's time has used nothing up.
    """

    __slots__ = ("_each_ns", "_new", "_old", "_turns_ns", "_window_ns")

    def __init__(self, rate: Rate) -> None:
        self._each_ns = round(min(_S / rate.per_s, _LONGEST_NS))
        self._window_ns = self._each_ns * rate.burst
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._turns_ns = 0

    def take(self, user: str, now_ns: int, share: int) -> float:
        """Seconds until one more is allowed; 0: it is now, and counted."""
        new = self._new
        spent_ns = new.get(user) or self._old.get(user, 0)
        if spent_ns < now_ns:  # noqa: PLR1730 - `max` takes as long as all the rest
            spent_ns = now_ns
        spent_ns += self._each_ns if share == 1 else self._each_ns // share
        if spent_ns > now_ns + self._window_ns:
            return (spent_ns - now_ns - self._window_ns) / _S
        new[user] = spent_ns
        if now_ns >= self._turns_ns or len(new) >= USERS_MAX:
            self._old, self._new = new, {}
            self._turns_ns = now_ns + self._window_ns
        return 0.0

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class Allowances:
    """All users' accounts, as one process knows them."""

    __slots__ = ("_accounts", "_limits")

    def __init__(self, limits: UserLimits) -> None:
        self._limits = limits
        self._accounts = {
            budget: _Account(limits.rate(budget))
            for budget in Budget
            if limits.rate(budget).per_s
        }

    def __len__(self) -> int:
        """Accounts held."""
        return sum(map(len, self._accounts.values()))

    def take(
        self, user: str, share: int, budgets: tuple[Budget, ...], now_ns: int
    ) -> Refusal | None:
        """Count one thing that costs one of each of `budgets`; None: it is allowed.

        Where a later budget is used up, the earlier ones have been taken from all the
        same: what is refused was asked for.
        """
        for budget in budgets:
            account = self._accounts.get(budget)
            if account is not None and (wait_s := account.take(user, now_ns, share)):
                return self._refusal(budget, share, wait_s)
        return None

    def _refusal(self, budget: Budget, share: int, wait_s: float) -> Refusal:
        per_s = self._limits.rate(budget).per_s * share
        code, unit_s, text = _SAID[budget]
        return Refusal(code, text.format(per_s * unit_s), math.ceil(wait_s))


_SAID: dict[Budget, tuple[Code, int, str]] = {
    Budget.COMMANDS: (Code.RATE_LIMITED, 1, "over {:g} commands/s of one user"),
    Budget.REQUESTS: (Code.RATE_LIMITED, 60, "over {:g} trip requests/min of one user"),
    Budget.MESSAGES: (Code.RATE_LIMITED, 1, "over {:g} messages/s of one user"),
    Budget.READS: (Code.RATE_LIMITED, 1, "over {:g} HTTP requests/s of one user"),
    Budget.ROOMS: (Code.OVERLOADED, 86_400, "over {:g} new rooms a day of one user"),
}
"""Code, seconds of the unit, text with the limit in that unit."""
