"""How much of one thing each of many holds, and how much all together. Pure."""


class Shares:
    """Of connections, or of bytes: what each key may hold, and all keys may."""

    __slots__ = ("_held", "_most", "_most_in_all", "in_all")

    def __init__(self, most: int, most_in_all: int | None = None) -> None:
        self._most = most
        self._most_in_all = most_in_all
        self._held: dict[str, int] = {}
        self.in_all = 0

    def held(self, key: str) -> int:
        return self._held.get(key, 0)

    def take(self, key: str, amount: int = 1) -> bool:
        """Whether `key` now holds `amount` more; False: that is over what it, or what
        all, may hold, and nothing has changed.
        """
        now = self._held.get(key, 0) + amount
        if now > self._most:
            return False
        if self._most_in_all is not None and self.in_all + amount > self._most_in_all:
            return False
        self._held[key] = now
        self.in_all += amount
        return True

    def give_back(self, key: str, amount: int = 1) -> None:
        """What was taken before."""
        left = self._held[key] - amount
        self.in_all -= amount
        if left:
            self._held[key] = left
        else:
            del self._held[key]
