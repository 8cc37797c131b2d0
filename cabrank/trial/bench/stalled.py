"""Drivers that have stopped reading: welcomed, and then their process stands still.

What they are sent fills the kernel's buffers, then waits in the gateway. Measures
nothing.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

from cabrank.trial.bench import worker
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import Subject
from cabrank.trial.bench.tasks import Count, Open
from schemas.trips import Role

FILL_BYTES = 512 * 1024
"""Of each: past what the kernel keeps of an unread loopback connection (some 200 KiB),
and under a gateway's budget of 1 MiB, past which it closes with 4001."""


class Stalled:
    """`still`: how many of them the gateway has not closed; known when all is over."""

    def __init__(self) -> None:
        self.still = 0


@contextlib.contextmanager
def stalled(
    subject: Subject, sheet: Sheet, crowd: tuple[str, ...], count: int
) -> Iterator[Stalled]:
    """`count` drivers that read nothing until the block ends."""
    with worker.running(*crowd) as clients:
        tokens = subject.people(Role.DRIVER, count)
        sheet.blame(clients.do(Open(subject.base, tokens, True)).troubles)
        those = Stalled()
        os.kill(clients.process.pid, signal.SIGSTOP)
        try:
            yield those
        finally:
            os.kill(clients.process.pid, signal.SIGCONT)
        done = clients.do(Count())
        those.still = done.open
        sheet.blame(done.troubles)
