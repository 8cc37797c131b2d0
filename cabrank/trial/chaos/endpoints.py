"""The endpoints of a run's webhooks: started, hung, killed, read. Judges nothing."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cabrank.trial.load import LoadError
from cabrank.trial.oracle.delivered import Post
from schemas.codec import decode

WANTED: dict[str, list[str]] = {
    "trips": ["trip.*", "chat.message"],
    "offers": ["offer.made", "offer.ended", "driver.*"],
}
"""Endpoint → what it asks for: each event goes to one, so that none is without."""


class Endpoint:
    """`posts`: what it was sent, as far as `collect` has read."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.events = WANTED[name]
        self.secret = ""
        """Set once the webhook is made."""
        self.posts: list[Post] = []
        self._log = folder / f"endpoint-{name}.jsonl"
        self._read_to = 0
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    def start(self) -> None:
        """At the port that it had before, if any.

        Raises:
            LoadError: it does not listen.
        """
        program = (sys.executable, "-P", "-m", "cabrank.trial.chaos.receiver")
        process = subprocess.Popen(  # noqa: S603 (our own program)
            [*program, str(self._log), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        if not said.isdecimal():
            process.kill()
            process.wait()
            raise LoadError(f"the endpoint {self.name} did not start.")
        self._port = int(said)
        self._process = process

    def send(self, sign: signal.Signals) -> None:
        assert self._process is not None, "started before"
        self._process.send_signal(sign)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def collect(self) -> list[Post]:
        """All that came so far."""
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as log:
            log.seek(self._read_to)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                self.posts.append(decode(line, Post))
        return self.posts


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[list[Endpoint]]:
    """Raises: LoadError: one does not."""
    endpoints = [Endpoint(name, folder) for name in WANTED]
    try:
        for endpoint in endpoints:
            endpoint.start()
        yield endpoints
    finally:
        for endpoint in endpoints:
            endpoint.kill()
