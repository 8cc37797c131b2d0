"""Disks that can be filled: a small tmpfs of their own where that may be mounted;
elsewhere a limit on the size of the files that a process writes, which fails alike.
"""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

SIZE_MIB = 256
CHUNK = bytes(64 * 1024)
FILLER = "filler"


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """A tmpfs on `folder`, which is made; False where we may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ("-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0711", "cabrank-chaos")
    done = subprocess.run(  # noqa: S603
        ["mount", *options, str(folder)],  # noqa: S607 (wherever the system has it)
        capture_output=True,
        check=False,
    )
    if done.returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(  # noqa: S603
            ["umount", "--lazy", str(folder)],  # noqa: S607
            capture_output=True,
            check=False,
        )


def fill(folder: Path) -> None:
    """Until not a byte is left."""
    with (folder / FILLER).open("ab", buffering=0) as filler:
        for piece in (CHUNK, b"\0"):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(piece)


def clear(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.truncate(folder / FILLER, 0)
        (folder / FILLER).unlink()


def limit_files(pids: Iterable[int], size_bytes: int | None) -> None:
    """Have these processes write no file beyond so many bytes; None: any. Only Linux
    can.
    """
    if sys.platform != "linux":
        return
    soft = resource.RLIM_INFINITY if size_bytes is None else size_bytes
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
