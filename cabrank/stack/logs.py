"""Bounds the logs of a data directory: each is kept up to a size, and once before.

Programs write to the end of files that `up` opened for them (O_APPEND), so what is
there is copied away and the file cut to nothing; nobody need open it again.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

LOOK_S = 1.0
LOG_BYTES_MAX = 10 * 1024 * 1024
"""Of each log, and of the one before it: with five programs 100 MiB in all. A gateway
that says one line a second takes half a day for it."""
KEPT = ".1"


async def watch(folder: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        if any(too_large(folder, bytes_max)):
            await asyncio.to_thread(look, folder, bytes_max)


def too_large(folder: Path, bytes_max: int) -> Iterator[Path]:
    """Those that are."""
    for log in folder.glob("*.log"):
        with contextlib.suppress(OSError):  # another time, perhaps
            if log.stat().st_size > bytes_max:
                yield log


def look(folder: Path, bytes_max: int) -> None:
    """Begin those anew that are too large."""
    for log in too_large(folder, bytes_max):
        with contextlib.suppress(OSError):
            rotate(log)


def rotate(log: Path) -> None:
    """Begin it anew; what it had is beside it. Where there is no room for that it is
    gone, which makes some.
    """
    kept = log.with_name(log.name + KEPT)
    fresh = kept.with_name(kept.name + ".new")
    try:
        with log.open("r+b") as old:
            try:
                with fresh.open("wb") as copy:
                    shutil.copyfileobj(old, copy, 1024 * 1024)
                    while tail := old.read():  # written meanwhile
                        copy.write(tail)
                    copy.flush()
                    old.truncate(0)
                fresh.replace(kept)
            except OSError:
                old.truncate(0)
                kept.unlink(missing_ok=True)
    finally:
        fresh.unlink(missing_ok=True)
