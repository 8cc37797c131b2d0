"""Riders' idempotency keys: which trip a key made."""

from collections import OrderedDict
from collections.abc import Iterator

from dispatcher.limits import KEYS_MAX, KEYS_PER_RIDER_MAX

KeyRow = tuple[int, str, str, str]
"""(made at, in ms; rider; key; trip)."""


class Keys:
    """The latest keys of each rider, oldest first; all operations O(1)."""

    __slots__ = ("_made", "_of_rider")

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()
        self._of_rider: dict[str, list[str]] = {}

    def trip(self, rider: str, key: str) -> str | None:
        made = self._made.get((rider, key))
        return None if made is None else made[1]

    def put(self, at_ms: int, rider: str, key: str, trip: str) -> None:
        """Remember a key that is new to this rider; `at_ms` never falls."""
        self._made[rider, key] = (at_ms, trip)
        mine = self._of_rider.setdefault(rider, [])
        mine.append(key)
        if len(mine) > KEYS_PER_RIDER_MAX:
            del self._made[rider, mine[0]]
            del mine[0]
        if len(self._made) > KEYS_MAX:
            self._forget_oldest()

    def evict(self, until_ms: int) -> None:
        """Forget what was made at `until_ms` or before."""
        while self._made and next(iter(self._made.values()))[0] <= until_ms:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        (rider, _), _ = self._made.popitem(last=False)
        mine = self._of_rider[rider]
        del mine[0]
        if not mine:
            del self._of_rider[rider]

    def rows(self) -> Iterator[KeyRow]:
        for (rider, key), (at_ms, trip) in self._made.items():
            yield at_ms, rider, key, trip
