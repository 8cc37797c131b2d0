"""Running the command line as a user does: a process, its output, its exit status."""

import os
import subprocess
import sys
from pathlib import Path

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


def assert_refused(
    done: subprocess.CompletedProcess[str], *, saying: str, status: int = 2
) -> None:
    """One plain sentence on standard error, and nothing else."""
    assert done.returncode == status, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert saying in done.stderr
    assert "Traceback" not in done.stderr
