"""Gives all that a build has made or changed the time SOURCE_DATE_EPOCH, so that the
same files make the same layer.
"""

import contextlib
import os

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
NOT_OURS = {"/proc", "/sys", "/dev", "/image"}


def settle(path: str) -> None:
    """In the base are older files too; they keep their time."""
    # The builder's own mounts (/etc/hosts …) are in no layer, and can't be changed.
    with contextlib.suppress(OSError):
        if os.lstat(path).st_mtime > EPOCH:
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


for root, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(root, name) not in NOT_OURS]  # noqa: PTH118
    for name in (*folders, *files):
        settle(os.path.join(root, name))  # noqa: PTH118
settle("/")
