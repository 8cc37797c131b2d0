"""Where an endpoint is: its name resolved at every try, and every address that it has
held against what is nobody else's business. Connects to nothing.

A name that gives a good address now and a bad one later gains nothing: the address that
was checked is the one that is connected to (post.py).
"""

import asyncio
import ipaddress
import socket

from schemas.outside import Target, fault
from webhooks.errors import Forbidden


class Resolver:
    """`private`: anywhere may be sent to."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._asking: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def address(self, target: Target) -> str:
        """To be connected to.

        Raises:
            Forbidden: one of its addresses is none of the Internet's.
            OSError: the name has none.
        """
        if target.address is not None:
            found = [str(target.address)]
        else:
            found = await self._resolved(target.name, target.port)
        if not self._private:
            for text in found:
                why = fault(ipaddress.ip_address(text))
                if why is not None:
                    name = "" if target.address else f"{target.name} is at "
                    raise Forbidden(f"nothing is sent there: {name}{why}")
        return found[0]

    async def _resolved(self, name: str, port: int) -> list[str]:
        """Who asks while an answer is under way waits for that one."""
        key = (name, port)
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(_ask(name, port))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)


async def _ask(name: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses:
        raise OSError("the name has no address")
    return addresses
