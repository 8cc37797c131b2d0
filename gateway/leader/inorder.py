"""Commands that must be decided in the order in which they were submitted.

A line is what one owner asks about one thing: a session about a room, or about trips.
Messages go side by side, since their leader keeps a connection's order; a join or a
leave goes `alone`: it may wait for history, or find the leader's queue full, and be
overtaken. What came back from history goes on in order too; commands on trips are in a
line from then on only, since their leader sends back what comes behind
(dispatcher/engine/overtaking.py). Pure.
"""

from collections import deque
from typing import Generic, Protocol, TypeVar

TRIPS = ""
"""What a line of commands on trips is about; a room's is about its name."""


class Waiting(Protocol):
    """A command of a line."""

    alone: bool
    """Nothing of its line is on its way beside it."""
    looking_up: bool
    """It waits for history, or behind one that does."""
    is_found: bool
    """It has what it waited for."""


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """`ahead`: on their way. `behind`: not sent yet. `looking`: how many of those ahead
    wait for history.
    """

    __slots__ = ("_alone", "ahead", "behind", "key", "looking")

    def __init__(self, key: tuple[int, str]) -> None:
        self.key = key
        self.ahead: dict[W, None] = {}
        self.behind: deque[W] | None = None
        self.looking = 0
        self._alone = False

    def enter(self, one: W) -> bool:
        """Whether it may go at once; else it waits."""
        if not self.behind and self._may_go(one):
            self._go(one)
            return True
        if self.behind is None:
            self.behind = deque()
        self.behind.append(one)
        return False

    def join(self, one: W) -> None:
        """It is on its way already."""
        self._go(one)

    def leave(self, one: W) -> None:
        """It is over."""
        if one in self.ahead:
            del self.ahead[one]
            self.looking -= one.looking_up
            self._alone = self._alone and not one.alone
        elif self.behind:
            self.behind.remove(one)

    def advance(self) -> list[W]:
        """Those that may go now."""
        gone = []
        while self.behind and self._may_go(self.behind[0]):
            gone.append(self.behind.popleft())
            self._go(gone[-1])
        return gone

    def back(self) -> list[W]:
        """Those that have what they looked up, and none ahead that hasn't; they look no
        longer.
        """
        found: list[W] = []
        if self.looking:
            for one in self.ahead:
                if one.looking_up:
                    if not one.is_found:
                        break
                    found.append(one)
            self.looking -= len(found)
        return found

    @property
    def is_empty(self) -> bool:
        return not self.ahead and not self.behind

    def _go(self, one: W) -> None:
        self.ahead[one] = None
        self._alone = one.alone

    def _may_go(self, one: W) -> bool:
        if one.alone:
            return not self.ahead
        return not self._alone and not self.looking
