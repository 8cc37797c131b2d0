"""The sender, once there is somebody to send to: until then nothing of it is imported
(httpx and TLS: 15 MB and 0.2 s), since most systems have no webhook.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from runtime.lifecycle import Service
from schemas.webhooks import Hook
from webhooks.desk import Desk

if TYPE_CHECKING:
    from webhooks.sending import Sender


class Sends:
    def __init__(self, desk: Desk, service: Service, *, private: bool) -> None:
        self._desk = desk
        self._service = service
        self._private = private
        self._sender: Sender | None = None

    def know(self, hooks: Iterable[Hook]) -> None:
        """Which webhooks there are now."""
        hooks = list(hooks)
        if self._sender is None and hooks:
            from webhooks.sending import Sender  # noqa: PLC0415 - see above

            self._sender = Sender(self._desk, private=self._private)
            self._sender.start(self._service)
        if self._sender is not None:
            self._sender.know(hooks)

    def ring(self) -> None:
        """Something may be due."""
        if self._sender is not None:
            self._sender.ring()

    async def stop(self) -> None:
        if self._sender is not None:
            await self._sender.stop()
