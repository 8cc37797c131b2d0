"""The system under test: one of the bench's own, or one that runs already."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cabrank.stack import tether
from cabrank.stack.datadir import DEFAULT, DataDir
from cabrank.trial.load import LoadError
from cabrank.trial.load.lifted import LIFTED
from cabrank.trial.load.users import CABRANK
from cabrank.trial.load.web import answering

READY = "cabrank ready on "
STOP_MAX_S = 40
"""Beyond the time `cabrank up` gives its services to drain."""


@contextlib.contextmanager
def running(
    data_dir: Path | None,
    database_url: str | None,
    *options: str,
    settings: Mapping[str, str] = MappingProxyType({}),
    program: Sequence[str] = CABRANK,
    limits: Mapping[str, str] = LIFTED,
) -> Iterator[str]:
    """Start `cabrank up` with further `options` on a free port in `data_dir`, a user's
    `limits` lifted and with `settings`, unless the environment says otherwise; yields
    its base URL. It dies with this process, at the latest. `program`: the command line
    of another cabrank than this.

    Raises:
        LoadError: it did not become ready.
    """
    command = [*program, "up", "--port", "0"]
    command += ["--data-dir", str(data_dir)]
    if database_url is not None:
        command += ["--database-url", database_url]
    command += options
    pipe, held = os.pipe()
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env={
                **limits,
                **settings,
                **os.environ,
                tether.VARIABLE: f"{os.getpid()}:{pipe}",
            },
            pass_fds=(pipe,),
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith(READY):
                complaints.seek(0)
                last = complaints.read().strip().splitlines()[-1:]
                why = last[0] if last else f"it said {line!r}"
                raise LoadError(f"`cabrank up` did not become ready: {why}")
            yield line.removeprefix(READY).strip()
        finally:
            _stop(process)
            os.close(pipe)
            os.close(held)


def chosen(
    url: str | None, data_dir: Path | None, database_url: str | None = None
) -> tuple[str | None, Path | None]:
    """Which running system to measure, and where it runs: the one at `url`, else the
    one of `data_dir` (None: `.cabrank`). No URL: one is to be started.

    Raises:
        UsageError: nobody answers there.
    """
    if url is not None:
        return answering(url), data_dir
    directory = DataDir(data_dir or DEFAULT)
    if database_url is not None or not directory.owner():
        return None, data_dir
    print(f"measuring the system that runs in {directory.root}", file=sys.stderr)
    return answering(directory.recall().url), directory.root


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_MAX_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def temporary() -> contextlib.AbstractContextManager[str]:
    """A directory of the bench's own, below `TMPDIR`."""
    return tempfile.TemporaryDirectory(prefix="cabrank-bench-")


def file_system(path: Path) -> str:
    """Type of the file system of `path`: on tmpfs an fsync costs nothing."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        real = os.path.realpath(path)
        for line in Path("/proc/mounts").read_text().splitlines():
            _, mount, found, *_ = line.split()
            if real.startswith(mount) and len(mount) >= len(best):
                best, kind = mount, found
    return kind
