"""Running the command line as a user does: a process, its output, its exit status."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cabrank import main

CABRANK = [sys.executable, "-m", "cabrank"]


def run(
    *arguments: str,
    cwd: Path,
    text: str = "",
    limit_s: float = 30,
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CABRANK, *arguments],
        cwd=cwd,
        input=text,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


class Shell:
    """The same inside this process, which takes a hundredth of the time; not for a
    test that runs in an event loop.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def set(self, **environ: str) -> None:
        for name, value in environ.items():
            self._monkeypatch.setenv(name, value)

    def type(self, text: str) -> None:
        """On standard input, of what runs next."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self._monkeypatch.setattr(sys, "argv", ["cabrank", *arguments])
        self._capsys.readouterr()
        status = main.run()
        said = self._capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    def said(self, *arguments: str) -> str:
        """Standard output of what must succeed in silence."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


def assert_refused(
    done: subprocess.CompletedProcess[str], *, saying: str, status: int = 2
) -> None:
    """One plain sentence on standard error, and nothing else."""
    assert done.returncode == status, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert saying in done.stderr
    assert "Traceback" not in done.stderr
