"""Idempotency keys of the last 24 h: what each user's made.

Held are the newest, in number by user and in bytes over all; all operations are O(1).
Of what is held no more it is known that there was something, so that nobody's use makes
another's key be forgotten: whether a key that isn't held was one of those, history
tells.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")
KEY_BYTES = 600
"""What one takes beside its own characters: ids, two maps, a list (CPython 3.11: 543 to
597, the most where the maps have just grown).
"""


class Forgotten(Struct, frozen=True):
    """When the newest was made that is held no more: of users, for having more of their
    own than may be; and of all together. 0: none.
    """

    of_users: dict[str, int] = {}
    of_all: int = 0


class Keys(Generic[T]):
    """`T` says what a key made."""

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_forgotten",
        "_forgotten_of_all",
        "_made",
        "_of_user",
        "_per_user_max",
    )

    def __init__(self, per_user_max: int, bytes_max: int) -> None:
        self._per_user_max = per_user_max
        self._bytes_max = bytes_max
        self._made: OrderedDict[tuple[str, str], tuple[int, T]] = OrderedDict()
        """(user, key) → (made at, what), the oldest first."""
        self._of_user: dict[str, list[str]] = {}
        """The same order."""
        self._forgotten: OrderedDict[str, int] = OrderedDict()
        self._forgotten_of_all = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._made)

    @property
    def bytes(self) -> int:
        """What they take of memory, about."""
        return self._bytes

    def made(self, user: str, key: str) -> tuple[int, T] | None:
        """When, and what; None: it isn't held."""
        return self._made.get((user, key))

    def doubt(self, user: str, since_ms: int) -> int:
        """When the newest key after `since_ms` was made that may be of this user and is
        held no more; 0: all that there are, are held.
        """
        at_ms = max(self._forgotten.get(user, 0), self._forgotten_of_all)
        return at_ms if at_ms > since_ms else 0

    def put(self, at_ms: int, user: str, key: str, what: T) -> None:
        """Remember a key that is new to this user, or as old as to be so again; `at_ms`
        never falls.
        """
        if (user, key) in self._made:
            self._drop(user, key)
        self._made[user, key] = (at_ms, what)
        mine = self._of_user.setdefault(user, [])
        mine.append(key)
        self._bytes += _size(key)
        if len(mine) > self._per_user_max:
            self._forgotten[user] = self._drop(user, mine[0])
            self._forgotten.move_to_end(user)
        while self._bytes > self._bytes_max:
            self._forgotten_of_all = self._drop(*next(iter(self._made)))

    def evict(self, until_ms: int) -> None:
        """Let go of what was made at `until_ms` or before."""
        while self._made and next(iter(self._made.values()))[0] <= until_ms:
            self._drop(*next(iter(self._made)))
        while self._forgotten and next(iter(self._forgotten.values())) <= until_ms:
            self._forgotten.popitem(last=False)

    def _drop(self, user: str, key: str) -> int:
        at_ms, _ = self._made.pop((user, key))
        self._bytes -= _size(key)
        mine = self._of_user[user]
        mine.remove(key)
        if not mine:
            del self._of_user[user]
        return at_ms

    # ---- snapshots -----------------------------------------------------------

    def rows(self) -> Iterator[tuple[int, str, str, T]]:
        """(made at, user, key, what), the oldest first."""
        for (user, key), (at_ms, what) in self._made.items():
            yield at_ms, user, key, what

    def forgotten(self) -> Forgotten:
        return Forgotten(self._forgotten, self._forgotten_of_all)

    def forget(self, known: Forgotten) -> None:
        """The inverse of `forgotten`."""
        self._forgotten.update(known.of_users)
        self._forgotten_of_all = max(self._forgotten_of_all, known.of_all)


def _size(key: str) -> int:
    return KEY_BYTES + len(key.encode("utf-8", "surrogatepass"))
