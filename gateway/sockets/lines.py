"""Whose turn it is where many wait: one of each key after the other, so that who brings
a thousand requests waits for their own, and nobody else does.

Pure. What an item is, and when a turn comes, is gateway/sockets/admission.py's to say.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Line(Generic[Item]):
    """`most`: of this key, so many are under way at once."""

    __slots__ = ("most", "under_way", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.under_way = 0
        self.waiting: dict[Item, None] = {}
        """First come first; a dict, so that one in the middle leaves at no cost."""


class Lines(Generic[Item]):
    __slots__ = ("_lines", "_ready")

    def __init__(self) -> None:
        self._lines: dict[str, _Line[Item]] = {}
        """Of every key that has items waiting or under way."""
        self._ready: OrderedDict[str, None] = OrderedDict()
        """Keys of which one may go on, by whose turn comes next."""

    def __len__(self) -> int:
        return sum(len(line.waiting) for line in self._lines.values())

    @property
    def is_anyone_ready(self) -> bool:
        return bool(self._ready)

    def is_under_way(self, key: str) -> bool:
        """Whether something of `key` goes on."""
        line = self._lines.get(key)
        return line is not None and line.under_way > 0

    def ask(self, key: str, item: Item, most: int) -> None:
        """`item` waits for its turn among those of `key`."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(most)
        line.most = most
        line.waiting[item] = None
        self._look_at(key, line)

    def next(self) -> tuple[str, Item] | None:
        """Who goes on, under way until `done` of its key; None: nobody may."""
        if not self._ready:
            return None
        key, _ = self._ready.popitem(last=False)
        line = self._lines[key]
        item = next(iter(line.waiting))
        del line.waiting[item]
        line.under_way += 1
        self._look_at(key, line)
        return key, item

    def done(self, key: str) -> None:
        """One of `key` is no longer under way."""
        line = self._lines[key]
        line.under_way -= 1
        self._look_at(key, line)

    def leave(self, key: str, item: Item) -> None:
        """`item` waits no longer; no error where it doesn't."""
        line = self._lines.get(key)
        if line is not None and item in line.waiting:
            del line.waiting[item]
            self._look_at(key, line)

    def _look_at(self, key: str, line: _Line[Item]) -> None:
        if line.waiting and line.under_way < line.most:
            self._ready.setdefault(key)
            return
        self._ready.pop(key, None)
        if not line.waiting and not line.under_way:
            del self._lines[key]
