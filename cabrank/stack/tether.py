"""Ties a process's life to the `up` that started it, even when that is killed by -9.

Linux: PR_SET_PDEATHSIG (prctl(2)), which survives exec, so that a foreign program gets
it through this file run as a script: `python tether.py PROGRAM ARG…`. The signal comes
when the *thread* that started the child ends, so `up` starts them in its main one.
Elsewhere: a forked watcher reads a pipe whose other end only `up` holds.

Runs in children before anything else: standard library only, imports nothing of ours.
"""

import os
import select
import signal
import sys

VARIABLE = "CABRANK_TETHER"
"""`<pid of up>:<read end of the pipe>`; absent or empty: not started by `up`."""

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
HAS_PRCTL = sys.platform == "linux"
WATCH_S = 0.5
"""How often a watcher looks whether the process it watches for is still there."""


def attach(value: str, *, prctl: bool = HAS_PRCTL) -> None:
    """Make this process die (SIGKILL) with its parent; call it before any thread."""
    if not value:
        return
    parent, pipe = (int(part) for part in value.split(":"))
    if prctl:
        # Here, not above: a service pays for ctypes (8 ms) only when it is needed.
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            os.kill(os.getpid(), signal.SIGKILL)
        return
    watched = os.getpid()
    if os.fork() == 0:
        _watch(watched, pipe)


def _watch(watched: int, pipe: int) -> None:
    """Kill `watched` when the pipe ends; leave when `watched` has ended."""
    while os.getppid() == watched:
        readable, _, _ = select.select([pipe], [], [], WATCH_S)
        if readable:
            if os.getppid() == watched:
                os.kill(watched, signal.SIGKILL)
            break
    os._exit(0)


if __name__ == "__main__":
    attach(os.environ.pop(VARIABLE, ""))
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 — the caller's own argument list
