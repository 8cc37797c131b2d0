"""Commands that wait for room in a record, in order. Must not decide them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from dispatcher import metrics
from schemas.commands import AnyCommand

QUEUE_MAX = 20_000
"""A second of what a leader decides."""

Take = Callable[[str, AnyCommand, int, str], bool]
"""(reply subject, command, instant, trace context) → whether there was room for it."""


class Waiting:
    """Of one lead."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._held: OrderedDict[str, tuple[str, AnyCommand, str]] = OrderedDict()
        """Command id → (reply subject, its latest attempt, trace context)."""

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[str, AnyCommand]]:
        return ((reply, command) for reply, command, _ in self._held.values())

    def put(self, reply: str, command: AnyCommand, trace: str) -> bool:
        """A later attempt takes the place of the one that waits already.

        Returns: False: no more may wait.
        """
        held = self._held.get(command.id)
        if held is not None:
            if command.attempt > held[1].attempt:
                self._held[command.id] = reply, command, trace
        elif len(self._held) < QUEUE_MAX:
            self._held[command.id] = reply, command, trace
            metrics.queue_commands.labels(self._region).set(len(self._held))
        else:
            return False
        return True

    def take(self, wall_ms: int, now_ms: int, take: Take) -> None:
        """As many as there is room for; those past their deadline go."""
        while self._held:
            reply, command, trace = next(iter(self._held.values()))
            if command.deadline_ms < wall_ms:
                metrics.dropped.labels(self._region, "late").inc()
            elif not take(reply, command, now_ms, trace):
                break
            self._held.popitem(last=False)
        metrics.queue_commands.labels(self._region).set(len(self._held))
