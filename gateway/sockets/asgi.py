"""A request that is whole, as an ASGI application gets it, by uvicorn's own cycle.

Must not read a socket.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from gateway import requesthead
from gateway.sockets.incoming import Incoming

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_logger = logging.getLogger("uvicorn.error")


class Writing(FlowControl):
    def resume_reading(self) -> None:
        """When is read is not for the application's task to say."""


def run(
    incoming: Incoming,
    transport: asyncio.Transport,
    flow: Writing,
    *,
    config: "Config",
    server_state: "ServerState",
    on_response: Callable[[], None],
    keep_alive: bool,
) -> RequestResponseCycle:
    """Have the application answer; `on_response` hears when all is written."""
    cycle = RequestResponseCycle(
        scope=cast("Any", _scope(incoming, transport, config)),
        transport=transport,
        flow=flow,
        logger=_logger,
        access_logger=_logger,
        access_log=False,
        default_headers=server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=on_response,
    )
    cycle.body, cycle.more_body = incoming.body, False
    cycle.message_event.set()
    app = cast("Any", config.loaded_app)
    task = asyncio.get_running_loop().create_task(cycle.run_asgi(app))
    task.add_done_callback(server_state.tasks.discard)
    server_state.tasks.add(task)
    return cycle


def _scope(
    incoming: Incoming, transport: asyncio.Transport, config: "Config"
) -> dict[str, Any]:
    head = incoming.head
    assert head is not None
    raw_path, _, query = head.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": config.asgi_version, "spec_version": "2.3"},
        "http_version": incoming.version,
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "scheme": "http",
        "method": incoming.method,
        "root_path": "",
        "path": requesthead.path(raw_path),
        "raw_path": raw_path,
        "query_string": query,
        "headers": incoming.headers,
        "state": {},
    }
