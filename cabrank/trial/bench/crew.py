"""One crowd in several processes: drivers spread over them, all riders in the first.

A driver's frame costs the client that reads it more than the gateway that writes it, so
that one process alone would be what the benchmark measures.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from cabrank.trial.bench import worker
from cabrank.trial.bench.tasks import Ask, Done, Gather, Open, Task, Watch, together
from cabrank.trial.bench.worker import Worker

PROCESSES = 2
"""Of this machine's two cores the gateway uses one for half of a request's time."""


class Doer(Protocol):
    """A crowd, in however many processes."""

    def do(self, task: Task) -> Done: ...


class Crew:
    """Told one task after the other, as one `Worker` would be. Requests one at a time
    follow when the drivers of the first process have seen the last one.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._first, *self._others = workers

    def do(self, task: Task) -> Done:
        """Raises: LoadError: a process died."""
        others = self._others
        if isinstance(task, Ask):
            for one in others:
                one.do(Watch(task.requests, task.copies))
            parts = [self._first.do(task)]
            return together(parts + [one.do(Gather()) for one in others])
        if isinstance(task, Open):
            return self._open(task)
        return together([one.do(task) for one in (self._first, *others)])

    def _open(self, task: Open) -> Done:
        """One process after the other, so that what they are answered adds up."""
        if not task.drivers:
            return self._first.do(task)
        every = (self._first, *self._others)
        parts = []
        for place, one in enumerate(every):
            tokens = task.tokens[place :: len(every)]
            parts.append(one.do(Open(task.base, tokens, True, task.at_once)))
        return together(parts)


@contextlib.contextmanager
def running(program: tuple[str, ...], processes: int = PROCESSES) -> Iterator[Crew]:
    """`python PROGRAM`, so many times, until the block ends."""
    with contextlib.ExitStack() as stack:
        yield Crew(
            [stack.enter_context(worker.running(*program)) for _ in range(processes)]
        )
