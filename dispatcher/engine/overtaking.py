"""Which messages may not be decided yet, since one that was said before them waits for
history: who says two things hears them in that order.

Gateways send a connection's messages side by side, so the second may be here while the
first is being looked up. It is sent back as if it had to look up something as well;
its gateway sends it again behind the first (gateway/leader/inorder.py). Once: whoever
comes again, of another connection of that user's, is decided. A leader's own memory;
pure.
"""

from collections import OrderedDict

from msgspec import Struct, field

from schemas.commands import COMMAND_DEADLINE_MS, SendMessage

LINES_MAX = 10_000
"""Users and rooms with a message that waits, of 10 s; whose is forgotten, theirs may
swap."""


class _Line(Struct):
    asking: dict[str, int] = field(default_factory=dict)
    """Commands that wait for history → their deadlines."""
    held: set[str] = field(default_factory=set)
    """Those sent back for them."""


class Overtaking:
    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, str], _Line] = OrderedDict()

    def holds(self, command: SendMessage) -> bool:
        """Whether it is to come again, behind one that waits."""
        line = self._lines.get(_place(command))
        if line is None or command.outside or command.id in line.asking:
            return False
        # What is past its deadline was given up by its gateway.
        over_ms = command.deadline_ms - COMMAND_DEADLINE_MS
        for one, deadline_ms in list(line.asking.items()):
            if deadline_ms < over_ms:
                self._over(command, line, one)
        if not line.asking or command.id in line.held:
            return False
        line.held.add(command.id)
        return True

    def asks(self, command: SendMessage) -> None:
        """It waits for history."""
        if command.outside:
            return
        line = self._lines.setdefault(_place(command), _Line())
        line.asking[command.id] = command.deadline_ms
        if len(self._lines) > LINES_MAX:
            self._lines.popitem(last=False)

    def decided(self, command: SendMessage) -> None:
        line = self._lines.get(_place(command))
        if line is not None and command.id in line.asking:
            self._over(command, line, command.id)

    def _over(self, command: SendMessage, line: _Line, one: str) -> None:
        del line.asking[one]
        if not line.asking:
            del self._lines[_place(command)]


def _place(command: SendMessage) -> tuple[str, str]:
    return command.by.id, command.room
