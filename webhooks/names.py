"""Drivers' usernames, asked of persistence and kept for a minute: an event names its
driver by the id alone.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable

from webhooks.desk import NAMES_MAX, Desk

KEPT_MAX = 20_000
"""5 MB; 17 of the longest names (docs/LIMITS.md)."""
KEPT_S = 60.0
"""Whoever is renamed, or erased, is called so no longer."""


class Names:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def of(self, users: Iterable[str]) -> dict[str, str]:
        """User → username; "" of one that is not known.

        Raises:
            NotAnswered: persistence doesn't say.
        """
        now = time.monotonic()
        wanted = set(users)
        found = {
            user: self._kept[user][1]
            for user in wanted
            if user in self._kept and now - self._kept[user][0] < KEPT_S
        }
        missing = sorted(wanted - found.keys())
        for start in range(0, len(missing), NAMES_MAX):
            some = missing[start : start + NAMES_MAX]
            names = await self._desk.names(some)
            for user in some:
                found[user] = names.get(user, "")
                self._kept[user] = (now, found[user])
                self._kept.move_to_end(user)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return found
