"""Which single messages are lost, or come twice."""

from random import Random

MAY_BE_LOST = ("cmd.", "reply.", "leader.", "ping.", "handover.", "ledger.")
"""As where servers of a cluster lose one another for a moment. Not the pushes: their
loss only the next one shows (docs/RELIABILITY.md, known limits)."""
MAY_COME_TWICE = (*MAY_BE_LOST, "user.", "trip.", "room.", "drivers.")


class Luck:
    """`to_lose`, `to_repeat`: so many of the messages to come, one in two of them."""

    def __init__(self, rng: Random) -> None:
        self.to_lose = self.to_repeat = 0
        self._rng = rng

    def loses(self, subject: str) -> bool:
        if not self.to_lose or not subject.startswith(MAY_BE_LOST):
            return False
        is_lost = self._rng.random() < 0.5
        self.to_lose -= is_lost
        return is_lost

    def repeats(self, subject: str) -> bool:
        if not self.to_repeat or not subject.startswith(MAY_COME_TWICE):
            return False
        is_repeated = self._rng.random() < 0.5
        self.to_repeat -= is_repeated
        return is_repeated
