"""What was passed on of a room since the first of those asked whose joins are on their
way: their answers may not contain it. Pure.
"""

from typing import NamedTuple

from msgspec import Raw

from gateway.fanout.membership import Covered


class Item(NamedTuple):
    """One frame for all of a room."""

    n: int
    """The message's; 0: somebody came or went."""
    seq: int
    """The event's; 0: unknown, since it was fetched again, or a message's that comes
    after an event with a higher one."""
    frame: bytes
    bare: bytes
    """The same as older clients want it; empty until somebody does."""
    data: Raw
    user: str = ""
    joined: bool = False

    @property
    def size(self) -> int:
        return len(self.frame) + len(self.data)


class Tail:
    """`mark`: where what comes from now on begins. `bytes`: of all items."""

    __slots__ = ("_before", "_items", "bytes")

    def __init__(self) -> None:
        self._before = 0
        """So many were dropped from its beginning."""
        self._items: list[Item] = []
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def mark(self) -> int:
        return self._before + len(self._items)

    def append(self, item: Item) -> None:
        self._items.append(item)
        self.bytes += item.size

    def since(self, mark: int) -> list[Item]:
        return self._items[mark - self._before :]

    def missed(self, mark: int, covered: Covered) -> list[Item]:
        """What came since `mark` and the answer doesn't say already."""
        members = set(covered.members)
        missed = []
        for item in self.since(mark):
            if item.n:
                if item.n > covered.n:
                    missed.append(item)
            elif covered.seq:
                if item.seq > covered.seq:
                    missed.append(item)
            elif item.joined != (item.user in members):
                (members.add if item.joined else members.discard)(item.user)
                missed.append(item)
        return missed

    def forget(self, mark: int) -> None:
        """Nobody wants what came before `mark`."""
        gone = mark - self._before
        if gone:
            self.bytes -= sum(item.size for item in self._items[:gone])
            del self._items[:gone]
            self._before = mark
