"""Network namespaces (network_namespaces(7)): one for chaos and all it starts, and in
it one for each NATS server, which so has two cables: one to its clients, one to the
other servers. The second can be pulled.

Nothing of the machine's own network is touched. Namespaces have no names, only
descriptors of ours: they are gone with the last process in them, whatever ended it.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cabrank.stack.embedded import Home
from cabrank.trial.load import LoadError

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
OURS = Path("/proc/thread-self/ns/net")
CLIENTS, SERVERS = "10.1.0", "10.2.0"
"""The first three numbers of addresses; chaos and the services are the first's 254."""
LAID = """\
link set lo up
link add clients type bridge
link add servers type bridge
addr add {clients}.254/24 dev clients
link set clients up
link set servers up
"""
CABLES = """\
link add c{k} master clients type veth peer name clients netns {namespace}
link add s{k} master servers type veth peer name servers netns {namespace}
link set c{k} up
link set s{k} up
"""
INSIDE = """\
link set lo up
addr add {clients}.{k}/24 dev clients
addr add {servers}.{k}/24 dev servers
link set clients up
link set servers up
"""


class Network:
    """`homes`: of the NATS servers, the first's first."""

    def __init__(self, homes: list[Home]) -> None:
        self.homes = homes

    def cut_off(self, number: int) -> None:
        """Pull the `number`-th server's cable to the other servers: what is sent is
        lost in both directions, nobody is told. Its clients still reach it.
        """
        _ip(f"link set s{number} down\n")

    def mend(self) -> None:
        for number in range(1, len(self.homes) + 1):
            _ip(f"link set s{number} up\n")


def lay(servers: int) -> Network:
    """Move this process, which must have one thread yet, into a network of its own.

    Raises:
        LoadError: that can't be done here, and nothing is changed; says why.
    """
    if sys.platform != "linux":
        raise LoadError("network namespaces are Linux's")
    before = os.open(OURS, os.O_RDONLY)
    try:
        namespaces = [_made() for _ in range(servers)]
        _made()
        _ip(LAID.format(clients=CLIENTS))
        homes = []
        for k, namespace in enumerate(namespaces, 1):
            path = f"/proc/{os.getpid()}/fd/{namespace}"
            _ip(CABLES.format(k=k, namespace=path))
            with _within(namespace):
                _ip(INSIDE.format(k=k, clients=CLIENTS, servers=SERVERS))
            homes.append(Home(f"{CLIENTS}.{k}", f"{SERVERS}.{k}", path))
    except (OSError, LoadError) as error:
        with contextlib.suppress(LoadError):  # who may not leave may not go back
            _enter(before)
        raise LoadError(str(error)) from None
    finally:
        os.close(before)
    return Network(homes)


def _made() -> int:
    """A new namespace, entered by this thread and all it starts from now on; a
    descriptor that keeps it.
    """
    _checked("unshare", ctypes.c_int(CLONE_NEWNET))
    return os.open(OURS, os.O_RDONLY)


def _enter(namespace: int) -> None:
    _checked("setns", ctypes.c_int(namespace), ctypes.c_int(CLONE_NEWNET))


@contextlib.contextmanager
def _within(namespace: int) -> Iterator[None]:
    back = os.open(OURS, os.O_RDONLY)
    _enter(namespace)
    try:
        yield
    finally:
        _enter(back)
        os.close(back)


def _checked(call: str, *arguments: ctypes.c_int) -> None:
    """unshare(2) and setns(2): in `os` only from Python 3.12 on."""
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        raise LoadError(f"{call}: {os.strerror(ctypes.get_errno())}")


def _ip(commands: str) -> None:
    """Raises: OSError: there is no ip(8). LoadError: it failed."""
    done = subprocess.run(
        ["ip", "-batch", "-"],  # noqa: S607 (wherever the system has it)
        input=commands,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or f"status {done.returncode}").splitlines()
        raise LoadError(f"ip: {said[0]}")
