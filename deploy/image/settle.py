"""Gives all that a build has made or changed in a folder the time SOURCE_DATE_EPOCH, so
that the same files make the same layer: `settle.py FOLDER`.
"""

import os
import sys
from pathlib import Path

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


def settle(path: Path) -> None:
    """In the base are older files too; they keep their time."""
    if path.lstat().st_mtime > EPOCH:
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


top = Path(sys.argv[1])
for found in top.rglob("*"):
    settle(found)
settle(top)
