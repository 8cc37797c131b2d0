"""The bench's side of the processes it starts: a crowd of clients, and the floor."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from cabrank.trial.bench.tasks import Done, Task
from cabrank.trial.load import LoadError
from schemas.codec import decode, encode

STOP_MAX_S = 20


class Worker:
    """A process that is told a line and answers a line."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.process = process

    def tell(self, line: bytes) -> bytes:
        """Raises: LoadError: the process died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            status = self.process.wait()
            raise LoadError(f"{self.name} ended with status {status}.")
        return answer

    def do(self, task: Task) -> Done:
        return decode(self.tell(encode(task)), Done)


@contextlib.contextmanager
def running(*command: str) -> Iterator[Worker]:
    """`python COMMAND` until the block ends, such as `-m a.module`."""
    process = subprocess.Popen(  # noqa: S603 (our own programs)
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Worker(" ".join(command), process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
