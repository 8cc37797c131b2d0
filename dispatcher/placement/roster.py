"""Pure: which other dispatchers are there, from their heartbeats, and what that leaves
this one to do.

Monotonic seconds come in. What it says may be out of date by `SILENCE_S`, and nothing
may depend on it but who *should* lead.
"""

import msgspec

from dispatcher.placement.ranking import Duty, duty
from schemas.members import Member, Standbys

BEAT_S = 1.0
OVERDUE_S = 1.5
"""A heartbeat that late, and its sender is neither heir nor standby to count on."""
PROOF_S = OVERDUE_S
"""Who came less long ago may stand in for one that has just died and is not overdue
yet: nobody stops following on its account."""
SILENCE_S = 3.5
"""Who has been silent for so long is gone: three heartbeats lost and one late. A leader
that dies is noticed by its standby at once (pinger.py)."""


class Roster:
    """The others; who owns it adds itself."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._heard_s: dict[str, float] = {}
        self._came_s: dict[str, float] = {}
        self.others: dict[str, Member] = {}

    def hear(self, member: Member, now_s: float) -> bool:
        """Whether it was not there before."""
        if member.id == self._me:
            return False
        if member.leaving:
            self._forget(member.id)
            return False
        is_new = member.id not in self.others
        if is_new:
            self._came_s[member.id] = now_s
        self.others[member.id] = member
        self._heard_s[member.id] = now_s
        return is_new

    def sweep(self, now_s: float) -> list[str]:
        """Forget those that fell silent, and return their ids."""
        silent = [
            one for one, at_s in self._heard_s.items() if now_s - at_s > SILENCE_S
        ]
        for one in silent:
            self._forget(one)
        return silent

    def heard_s(self, one: str) -> float:
        """When last; of one that is not there, long ago."""
        return self._heard_s.get(one, float("-inf"))

    def lively(self, now_s: float) -> dict[str, Member]:
        """The others but those whose last heartbeat is overdue: these may be dead."""
        since_s = now_s - OVERDUE_S
        others = self.others.items()
        return {one: m for one, m in others if self._heard_s[one] >= since_s}

    def standbys(self, region: str) -> Standbys:
        able = [one for one in self.others.values() if region in one.serves]
        ready = sum(region in one.ready for one in able)
        behind = (one.behind[region] for one in able if region in one.behind)
        return Standbys(len(able), ready, min(behind, default=None))

    def duty(self, region: str, me: Member, now_s: float) -> Duty:
        """What `me` has to do for a region, as far as the others can be counted on."""
        counted = {**self.lively(now_s), me.id: me}
        todo = duty(region, me.id, counted)
        since_s = now_s - PROOF_S
        new = {one for one, came_s in self._came_s.items() if came_s > since_s}
        proven = {one: m for one, m in counted.items() if one not in new}
        stays = todo.stays or duty(region, me.id, proven).stays
        return msgspec.structs.replace(todo, stays=stays)

    def excuse(self, now_s: float) -> None:
        """Nobody could be heard until now: that was us, or NATS."""
        for one in self._heard_s:
            self._heard_s[one] = now_s

    def _forget(self, one: str) -> None:
        self.others.pop(one, None)
        self._heard_s.pop(one, None)
        self._came_s.pop(one, None)
