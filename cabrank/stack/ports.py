"""TCP ports: which are free. Asks the kernel by binding; holds nothing but what
`listeners` returns.
"""

import itertools
import random
import socket
from collections.abc import Callable
from typing import Any

from cabrank.errors import UsageError

OWN_FIRST, OWN_LAST = 20_000, 31_999
"""Where free ports are taken from. Below the ephemeral ranges of Linux (32768 up) and
macOS (49152 up): a client that tries again and again to reach a dead server on an
ephemeral port may be given that very port as its own, connect to itself, and keep the
server from ever listening there again."""
TRIES = 200


def _socket(host: str) -> tuple[socket.socket, Callable[[int], Any]]:
    """A socket for one of `host`'s addresses, an IPv4 one where it has any, and what
    makes that address with a port.

    Raises:
        OSError, UnicodeError: it has none.
    """
    found = socket.getaddrinfo(
        host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = min(
        found, key=lambda each: each[0] is not socket.AF_INET
    )
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made, lambda port: (address[0], port, *address[2:])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `port` now.

    Raises:
        UsageError: `host` is no address of this machine.
    """
    try:
        probe, address = _socket(host)
        with probe:
            probe.bind(address(0))
    except (OSError, UnicodeError):
        raise UsageError(f"The host {host!r} is no address of this machine.") from None
    probe, address = _socket(host)
    with probe:
        try:
            probe.bind(address(port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free(host: str = "127.0.0.1", count: int = 1) -> int:
    """The first of `count` consecutive free ports.

    Raises:
        UsageError: none were found, or `host` is no address of this machine.
    """
    for _ in range(TRIES):
        first = random.randint(OWN_FIRST, OWN_LAST - count + 1)  # noqa: S311
        if all(is_free(host, first + k) for k in range(count)):
            return first
    raise UsageError(
        f"{TRIES} tries found no {count} free ports in a row on {host} "
        f"between {OWN_FIRST} and {OWN_LAST}."
    )


def listening(host: str, port: int, count: int) -> int:
    """The first of the `count` ports from `port` on, all free; port 0: any.

    Raises:
        UsageError: one is in use, not allowed, or beyond 65535.
    """
    if port == 0:
        return free(host, count)
    if port + count - 1 > 65535:  # noqa: PLR2004
        raise UsageError(
            f"{count} gateways from port {port} on would need ports beyond 65535."
        )
    for number in range(port, port + count):
        if not is_free(host, number):
            raise UsageError(
                f"Port {number} on {host} is in use or not allowed; "
                "choose another with --port."
            )
    return port


def listeners(
    host: str, port: int, count: int, *, share: bool
) -> list[list[socket.socket]]:
    """What `count` gateways listen on, the k-th on `port` + k - 1. `share`: each on
    `port` as well by a socket of its own, among which the kernel spreads connections
    (SO_REUSEPORT, socket(7)). Bound, not yet listening.

    Raises:
        UsageError: a port was taken meanwhile.
    """
    made: list[list[socket.socket]] = []
    try:
        for number in range(count):
            own: list[socket.socket] = []
            made.append(own)
            if number == 0 or share:
                own.append(_bound(host, port, reuse=share))
            if number > 0:
                own.append(_bound(host, port + number, reuse=False))
    except OSError as error:
        for each in itertools.chain(*made):
            each.close()
        raise UsageError(f"{host}: {error.strerror}.") from None
    return made


def _bound(host: str, port: int, *, reuse: bool) -> socket.socket:
    bound, address = _socket(host)
    try:
        if reuse:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address(port))
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def connectable(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
