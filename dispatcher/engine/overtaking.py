"""Which commands may not be decided yet, since one that was said before them waits for
history, or for accounts: a user's trips are asked for, given and ended, and what they
say in a room is heard, in the order in which they said so.

Gateways send a connection's commands side by side, so the second may be here while the
first is being looked up. It is sent back as if it had to look up something as well;
its gateway sends it again behind the first (gateway/leader/inorder.py). Once for each
look-up: who comes again, of another connection of that user's, is decided. A leader's
own memory; pure.
"""

from collections import OrderedDict

from msgspec import Struct, field

from dispatcher.engine.transitions import MOVES
from schemas.commands import (
    COMMAND_DEADLINE_MS,
    AnyCommand,
    AssignTrip,
    Command,
    DeclineTrip,
    Lookup,
    RequestTrip,
    RescheduleTrip,
    SendMessage,
)

LINES_MAX = 10_000
"""Users and rooms with a command that waits, of 10 s; whose is forgotten, theirs may
swap."""
TRIPS = frozenset[type[Command]](
    (RequestTrip, DeclineTrip, AssignTrip, RescheduleTrip, *MOVES)
)
"""What one of them may mean depends on those before it: a line a user."""

Place = tuple[str, str]
"""Of a line: a user, and a room or nothing."""


class _Line(Struct):
    asking: dict[str, int] = field(default_factory=dict)
    """Commands that wait → their deadlines; in the order in which they came."""
    held: set[str] = field(default_factory=set)
    """Those sent back for the first of them."""


class Overtaking:
    def __init__(self) -> None:
        self.lines: OrderedDict[Place, _Line] = OrderedDict()
        """Where somebody waits; with none, `holds` and `decided` have nothing to do."""

    def holds(self, command: AnyCommand) -> bool:
        """Whether it is to come again, behind one that waits."""
        waiting = self._waiting(command)
        if waiting is None:
            return False
        place, line = waiting
        # What is past its deadline was given up by its gateway.
        over_ms = command.deadline_ms - COMMAND_DEADLINE_MS
        for one, deadline_ms in list(line.asking.items()):
            if deadline_ms < over_ms and one != command.id:
                self._over(place, line, one)
        first = next(iter(line.asking), command.id)
        if first == command.id or command.id in line.held:
            return False
        line.held.add(command.id)
        return True

    def asks(self, command: AnyCommand, lookup: Lookup) -> None:
        """It waits for that. Of a trip that is forgotten, and so has ended, nothing
        comes: who speaks of it again keeps nobody waiting for the database.
        """
        place = _place(command)
        is_message = type(command) is SendMessage
        if place is None or not (is_message or lookup.key or lookup.user):
            return
        line = self.lines.setdefault(place, _Line())
        if command.id in line.asking:
            line.held.clear()
        line.asking[command.id] = command.deadline_ms
        if len(self.lines) > LINES_MAX:
            self.lines.popitem(last=False)

    def decided(self, command: AnyCommand) -> None:
        waiting = self._waiting(command)
        if waiting is not None and command.id in waiting[1].asking:
            self._over(*waiting, command.id)

    def _waiting(self, command: AnyCommand) -> tuple[Place, _Line] | None:
        """Its line; None: nobody waits there."""
        place = _place(command) if self.lines else None
        line = None if place is None else self.lines.get(place)
        return None if place is None or line is None else (place, line)

    def _over(self, place: Place, line: _Line, one: str) -> None:
        del line.asking[one]
        if not line.asking:
            del self.lines[place]


def _place(command: AnyCommand) -> Place | None:
    """Its line; None: it is in none."""
    if type(command) is SendMessage:
        return None if command.outside else (command.by.id, command.room)
    return (command.by.id, "") if type(command) in TRIPS else None
