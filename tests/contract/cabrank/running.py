"""A `cabrank up` of one's own."""

import contextlib
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.contract.cabrank.commands import CABRANK
from tests.support.waiting import until

STOP_LIMIT_S = 30


def is_alive(pid: int) -> bool:
    """Zombies are dead: nothing reaps orphans in a container without an init."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def begin(root: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start it and don't wait; its data directory is `root`/data."""
    with (root / "up.stderr").open("ab") as said:
        return subprocess.Popen(
            [*CABRANK, "up", "--port", "0", "--data-dir", "data", *arguments],
            cwd=root,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )


class Stack:
    """One that is ready, or has ended: then `line` is empty."""

    def __init__(self, root: Path, *arguments: str, **environ: str) -> None:
        self.data = root / "data"
        self._said = root / "up.stderr"
        self.process = begin(root, *arguments, **environ)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = self.line.removeprefix("cabrank ready on ").strip()

    @property
    def said(self) -> str:
        return self._said.read_text()

    def pid(self, name: str) -> int:
        return int((self.data / "run" / f"{name}.pid").read_text())

    def pids(self) -> dict[str, int]:
        files = (self.data / "run").glob("*.pid")
        return {file.stem: int(file.read_text()) for file in files}

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    async def restarted(self, name: str, before: int) -> int:
        """The new pid of what was `before`."""
        await until(lambda: self.pid(name) != before, f"another {name}", 20)
        return self.pid(name)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        rest, _ = self.process.communicate(timeout=STOP_LIMIT_S)
        assert rest == "", "the ready line is the only one"
        return self.process.returncode

    def get(self, path: str, access: str = "") -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {access}"} if access else {}
        with contextlib.suppress(OSError):
            request = urllib.request.Request(self.url + path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as refused:
                return refused.code, refused.read()
        return 0, b""

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)


@contextlib.contextmanager
def running(root: Path, *arguments: str, **environ: str) -> Iterator[Stack]:
    stack = Stack(root, *arguments, **environ)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.kill()
        stack.process.communicate(timeout=STOP_LIMIT_S)
