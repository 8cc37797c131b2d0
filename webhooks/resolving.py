"""Where an endpoint is: its name resolved at every try, and every address that it has
held against what is nobody else's business. Connects to nothing.

A name that gives a good address now and a bad one later gains nothing: the address that
was checked is the one that is connected to (post.py).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from schemas.outside import Target, fault
from schemas.webhooks import WEBHOOKS_MAX
from webhooks.errors import Forbidden


def look_up(name: str, port: int) -> list[str]:
    """Blocks: some name servers take half a minute to say nothing.

    Raises:
        OSError, UnicodeError: the name has no address.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Resolver:
    """`private`: anywhere may be sent to; `look`: as `look_up`, in a thread."""

    def __init__(
        self, *, private: bool, look: Callable[[str, int], list[str]] = look_up
    ) -> None:
        self._private = private
        self._look = look
        self._asking: dict[tuple[str, int], asyncio.Future[list[str]]] = {}
        # One each: names that nobody answers for keep no other from being asked.
        self._threads = ThreadPoolExecutor(WEBHOOKS_MAX, thread_name_prefix="names")

    async def addresses(self, target: Target) -> list[str]:
        """To be connected to, one after another until one takes the connection.

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
        return found

    async def _resolved(self, name: str, port: int) -> list[str]:
        """Who asks while an answer is under way waits for that one."""
        key = (name, port)
        asking = self._asking.get(key)
        if asking is None:
            loop = asyncio.get_running_loop()
            asking = loop.run_in_executor(self._threads, self._look, name, port)
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)
