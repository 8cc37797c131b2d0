"""What users may ask of this leader, and have asked: its own memory, in no record.

Pure. A lead begins with nobody having asked for anything. Where a command comes again
(its gateway had no answer yet, or has looked something up), it is counted once.
"""

from dispatcher.engine.limits import COUNTED_MAX
from schemas.allowances import Allowances, Budget, UserLimits, cost_of, share_of
from schemas.commands import COMMAND_DEADLINE_MS, AnyCommand
from schemas.refusals import Refusal
from schemas.trips import User

_MS = 1_000_000


class Shares:
    """Instants are stamps."""

    __slots__ = ("_allowances", "_counted", "_counted_before", "_turns_ms")

    def __init__(self, limits: UserLimits) -> None:
        self._allowances = Allowances(limits)
        self._counted: set[str] = set()
        self._counted_before: set[str] = set()
        """Commands, in two generations of a deadline each."""
        self._turns_ms = 0

    def __len__(self) -> int:
        """How much is held."""
        counted = len(self._counted) + len(self._counted_before)
        return len(self._allowances) + counted

    def count(self, command: AnyCommand, stamp_ms: int) -> Refusal | None:
        """Count a command that is about to be decided; None: it is allowed."""
        cost = cost_of(command)
        counted, command_id = self._counted, command.id
        if not cost or command_id in counted or command_id in self._counted_before:
            return None
        by = command.by
        over = self._allowances.take(by.id, share_of(by), cost, stamp_ms * _MS)
        if over is None:
            counted.add(command_id)
            if stamp_ms >= self._turns_ms or len(counted) >= COUNTED_MAX:
                self._counted_before, self._counted = counted, set()
                self._turns_ms = stamp_ms + COMMAND_DEADLINE_MS
        return over

    def count_room(self, by: User, stamp_ms: int) -> Refusal | None:
        """The same of a room that did not exist."""
        share = share_of(by)
        return self._allowances.take(by.id, share, (Budget.ROOMS,), stamp_ms * _MS)
