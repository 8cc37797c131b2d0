"""A page's WebSocket, seen and held by the test on its way to the real server."""

import json
from typing import Any

from playwright.async_api import Page, WebSocketRoute


class Line:
    """Of one page; `Line.of` before the page connects."""

    def __init__(self) -> None:
        self.sends = 0
        """`chat.send` frames so far, repeated ones too."""
        self.connections = 0
        self.is_closed_to_writers = False
        """Whether what they write is refused, before it comes to the server."""
        self._open: WebSocketRoute | None = None
        self._unanswered: set[str] = set()

    @classmethod
    async def of(cls, page: Page) -> "Line":
        line = cls()
        await page.route_web_socket("**/ws**", line._connect)
        return line

    def _connect(self, near: WebSocketRoute) -> None:
        self.connections += 1
        self._open = near
        far = near.connect_to_server()

        def hear(text: str | bytes) -> None:
            frame: dict[str, Any] = json.loads(text)
            if frame["type"] == "chat.send":
                self.sends += 1
                if self.is_closed_to_writers:
                    near.send(json.dumps(_refusal(frame["ref"])))
                    return
            self._unanswered.add(frame.get("ref", ""))
            far.send(text)

        def say(text: str | bytes) -> None:
            frame = json.loads(text)
            if frame["type"] == "welcome":  # what answers a log-in
                self._unanswered.clear()
            self._unanswered.discard(frame.get("ref", ""))
            near.send(text)

        self._unanswered.clear()
        near.on_message(hear)
        far.on_message(say)

    @property
    def is_quiet(self) -> bool:
        """Whether the server has answered all that the page asked."""
        return not self._unanswered

    async def close(self, code: int) -> None:
        """As if the server closed the connection that is open."""
        assert self._open is not None, "not connected yet"
        await self._open.close(code=code)


def _refusal(ref: str) -> dict[str, Any]:
    data = {"code": "room_forbidden", "message": "nobody may write here"}
    return {"type": "refused", "ref": ref, "data": {**data, "retryable": False}}
