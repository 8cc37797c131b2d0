"""One timer wheel for all connections: no task and no timer handle for each.

Pure: monotonic seconds come in as arguments. An entry holds its own due time, so moving
it costs one set insertion and nothing is ever searched.
"""

from typing import Protocol

SLOT_S = 0.25
"""How late an entry may be called; the shortest period on it is 2 s."""


class Timed(Protocol):
    """`due_slot` belongs to the wheel; 0: not on it."""

    due_slot: int

    def on_timer(self, now_s: float) -> None:
        """It is time, or a little later; may schedule itself again."""


class Wheel:
    __slots__ = ("_slot_s", "_slots", "_turned")

    def __init__(self, now_s: float, slot_s: float = SLOT_S) -> None:
        self._slot_s = slot_s
        self._slots: dict[int, set[Timed]] = {}
        self._turned = int(now_s / slot_s)

    @property
    def holds(self) -> bool:
        """Whether anything may be due some time."""
        return bool(self._slots)

    def schedule(self, entry: Timed, at_s: float) -> None:
        """Call `entry` once at `at_s`, instead of when it was due before."""
        slot = max(int(at_s / self._slot_s) + 1, self._turned + 1)
        if slot == entry.due_slot:
            return
        self.cancel(entry)
        entry.due_slot = slot
        self._slots.setdefault(slot, set()).add(entry)

    def cancel(self, entry: Timed) -> None:
        slot = self._slots.get(entry.due_slot)
        if slot is not None:
            slot.discard(entry)
            if not slot:
                del self._slots[entry.due_slot]
        entry.due_slot = 0

    def turn(self, now_s: float) -> None:
        """Call all that are due."""
        last = int(now_s / self._slot_s)
        while self._turned < last:
            self._turned += 1
            for entry in self._slots.pop(self._turned, ()):
                if entry.due_slot == self._turned:  # else cancelled this very turn
                    entry.due_slot = 0
                    entry.on_timer(now_s)
            if not self._slots:
                self._turned = last
