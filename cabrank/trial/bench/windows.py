"""Runs a load generator that is given one order and tells of windows of time, and reads
the system's CPU at their edges.

The generator writes lines of JSON: `{"started": n}` before each window, the window when
it is over, and a summary at the end. What they say is its caller's to know.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from cabrank.trial.bench import cpu
from cabrank.trial.load import LoadError
from schemas.codec import encode

Window = tuple[bytes, dict[str, float]]
"""The line, and the CPU-seconds by service."""


def run(
    program: tuple[str, ...], order: Struct, data_dir: Path | None
) -> tuple[list[Window], bytes]:
    """`python PROGRAM` to its end: windows, and the summary's line. Without `data_dir`
    nobody's CPU can be read.

    Raises:
        LoadError: it ended without a summary.
    """
    found: list[Window] = []
    before: dict[tuple[str, int], float] = {}
    with subprocess.Popen(  # noqa: S603 (our own modules)
        [sys.executable, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(encode(order))
            process.stdin.close()
        for line in process.stdout:
            now = cpu.snapshot(data_dir) if data_dir is not None else {}
            if line.startswith(b'{"started"'):
                before = now
            else:
                found.append((line, cpu.by_service(before, now)))
    if process.returncode or not found:
        name = " ".join(program)
        raise LoadError(f"{name} ended with status {process.returncode}.")
    summary, _ = found.pop()
    return found, summary
