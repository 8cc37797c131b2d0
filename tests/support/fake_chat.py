"""A server that speaks PROTOCOL.md as far as the chat page needs it: accounts, tokens,
rooms. For tests of the page alone; what is sent lives as long as the object.
"""

import contextlib
import itertools
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import web

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Json = dict[str, Any]

ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")
HISTORY = 50


class Problem(Exception):  # noqa: N818 - as RFC 9457 calls it
    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


class Connection:
    def __init__(self, send: Send) -> None:
        self._send = send
        self.session: Json | None = None
        self.rooms: set[str] = set()

    async def say(self, kind: str, **fields: Any) -> None:
        text = json.dumps({"type": kind, **fields})
        with contextlib.suppress(OSError):  # gone meanwhile
            await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": code})


class FakeChat:
    """An ASGI app. `access_s`: how long its access tokens live."""

    def __init__(self) -> None:
        self.access_s = 900.0
        self.heartbeat_s = 25.0
        self.users: dict[str, Json] = {}
        self.passwords: dict[str, str] = {}
        self.sessions: dict[str, Json] = {}
        self.rooms: dict[str, list[Json]] = {}
        self.closed_rooms: set[str] = set()
        """Nobody may write there."""
        self.by_key: dict[tuple[str, str], Json] = {}
        self.connections: set[Connection] = set()
        self.sends = 0
        """`chat.send` frames so far, repeated ones too."""
        self.refreshes = 0
        self._seq = itertools.count(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    # ---- HTTP ----------------------------------------------------------------

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        headers = {"Content-Type": "application/json"}
        asset = web.STATIC.get(path)
        if path == "/chat" or path.startswith("/chat/"):
            asset = web.CHAT_PAGE
        if asset is not None:
            status, body, headers = 200, asset.body, asset.headers()
        else:
            try:
                status, value = await self._api(scope, receive)
            except Problem as problem:
                status = problem.status
                value = {"code": problem.code, "detail": problem.detail}
            body = b"" if value is None else json.dumps(value).encode()
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        start = {"type": "http.response.start", "status": status, "headers": raw}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def _api(self, scope: Message, receive: Receive) -> tuple[int, Any]:
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        data = json.loads(body) if body else {}
        match scope["method"], scope["path"].split("/")[2:]:
            case "POST", ["users"]:
                return 201, self.sign_up(**data)
            case "POST", ["tokens"]:
                return 200, self._log_in(data["username"], data["password"])
            case "POST", ["tokens", "refresh"]:
                return 200, self._refresh(data["refresh"])
            case "DELETE", ["tokens"]:
                await self.revoke(self._bearer(scope))
                return 204, None
            case "GET", ["me"]:
                return 200, self._bearer(scope)["user"]
            case "GET", ["rooms", room, "messages"]:
                self._bearer(scope)
                query = dict(
                    pair.split("=")
                    for pair in scope["query_string"].decode().split("&")
                )
                return 200, self._page(room, **query)
            case "POST", ["rooms", room, "messages"]:
                user = self._bearer(scope)["user"]
                key = data.get("idempotency_key", secrets.token_hex(8))
                return 201, await self.post(user, room, data["text"], key)
        raise Problem(404, "unknown_type", "there is no such path")

    def sign_up(self, username: str, password: str, role: str, **names: str) -> Json:
        if not re.fullmatch(r"[\w@.+-]{1,150}", username):
            raise Problem(422, "invalid_data", "username: letters, digits and @.+-_")
        if username in self.users:
            raise Problem(409, "invalid_data", "this username is taken")
        user = {
            "id": f"u{len(self.users) + 1}",
            "username": username,
            "first_name": names.get("first_name", ""),
            "last_name": names.get("last_name", ""),
            "role": role,
        }
        self.users[username] = user
        self.passwords[username] = password
        return self._tokens({"user": user})

    def _log_in(self, username: str, password: str) -> Json:
        if self.passwords.get(username) != password:
            raise Problem(401, "bad_credentials", "wrong username or password")
        return self._tokens({"user": self.users[username]})

    def _refresh(self, refresh: str) -> Json:
        self.refreshes += 1
        for session in set_of(self.sessions):
            if session["refresh"] == refresh:
                return self._tokens(session)
        raise Problem(401, "not_authenticated", "the refresh token is not one of ours")

    def _tokens(self, session: Json) -> Json:
        access = secrets.token_hex(8)
        session.update(refresh=secrets.token_hex(8), ends=time.time() + self.access_s)
        self.sessions[access] = session
        return {
            "user": session["user"],
            "access": access,
            "refresh": session["refresh"],
            "expires_in": int(self.access_s),
        }

    def _bearer(self, scope: Message) -> Json:
        token = dict(scope["headers"]).get(b"authorization", b"").decode()
        return self._session(token.removeprefix("Bearer "))

    def _session(self, access: str) -> Json:
        session = self.sessions.get(access)
        if session is None or session["ends"] < time.time():
            raise Problem(401, "not_authenticated", "the token is not one of ours")
        return session

    def _page(self, room: str, before: str, limit: str) -> list[Json]:
        older = [m for m in self.rooms.get(room, []) if m["seq"] < int(before)]
        return older[::-1][: int(limit)]

    async def revoke(self, session: Json, code: int = 4503) -> None:
        """End a session: its tokens, and with `code` its connections."""
        for access in [a for a, held in self.sessions.items() if held is session]:
            del self.sessions[access]
        for connection in list(self.connections):
            if connection.session is session:
                await connection.close(code)

    # ---- WebSocket -----------------------------------------------------------

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        connection = Connection(send)
        self.connections.add(connection)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                await self._frame(connection, json.loads(event["text"]))
        finally:
            self.connections.discard(connection)
            for room in list(connection.rooms):
                await self._leave(connection, room)

    async def _frame(self, connection: Connection, frame: Json) -> None:
        kind, ref, data = frame["type"], frame.get("ref"), frame.get("data", {})
        try:
            if kind == "session.login":
                connection.session = self._session(data["token"])
                await self._welcome(connection)
                return
            if connection.session is None:
                raise Problem(401, "not_authenticated", "log in first")  # noqa: TRY301
            answer = await self._take(connection, connection.session, kind, data)
        except Problem as problem:
            refused = {
                "code": problem.code,
                "message": problem.detail,
                "retryable": problem.code in {"overloaded", "unavailable"},
            }
            await connection.say("refused", ref=ref, data=refused)
        else:
            await connection.say("reply", ref=ref, data=answer)

    async def _welcome(self, connection: Connection) -> None:
        assert connection.session is not None
        data = {
            "user": connection.session["user"],
            "session": secrets.token_hex(4),
            "region": "main",
            "seq": next(self._seq),
            "heartbeat_s": self.heartbeat_s,
            "trips": [],
            "open_trips": [],
            "recovered": False,
        }
        await connection.say("welcome", data=data)

    async def _take(
        self, connection: Connection, session: Json, kind: str, data: Json
    ) -> Any:
        if kind == "session.refresh":
            self._session(data["token"])
            return {"expires_in": int(self.access_s)}
        room = data.get("room", "")
        if not ROOM.fullmatch(room):
            raise Problem(422, "invalid_data", "room: not a room's name")
        if room.startswith("trip_"):
            raise Problem(403, "room_forbidden", "not your trip's room")
        if kind == "chat.join":
            return await self._join(connection, session["user"], room, data)
        if kind == "chat.leave":
            await self._leave(connection, room)
            return {}
        if kind != "chat.send":
            raise Problem(400, "unknown_type", f"no type {kind!r}")
        if room not in connection.rooms or room in self.closed_rooms:
            raise Problem(403, "room_forbidden", "nobody may write here")
        self.sends += 1
        return await self.post(
            session["user"], room, data["text"], data["idempotency_key"]
        )

    def members(self, room: str) -> dict[str, Json]:
        return {
            connection.session["user"]["id"]: connection.session["user"]
            for connection in self.connections
            if connection.session is not None and room in connection.rooms
        }

    async def _join(
        self, connection: Connection, user: Json, room: str, data: Json
    ) -> Json:
        is_new = user["id"] not in self.members(room)
        connection.rooms.add(room)
        if is_new:
            await self._tell("chat.joined", room, {"room": room, "user": user})
        log = self.rooms.setdefault(room, [])
        since = data.get("since")
        recovered = since is not None and since <= len(log)
        return {
            "room": room,
            "members": list(self.members(room).values()),
            "history": log[since:] if recovered else log[-HISTORY:],
            "recovered": recovered,
        }

    async def _leave(self, connection: Connection, room: str) -> None:
        assert connection.session is not None
        connection.rooms.discard(room)
        user = connection.session["user"]
        if user["id"] not in self.members(room):
            await self._tell("chat.left", room, {"room": room, "user": user})

    async def post(self, user: Json, room: str, text: str, key: str) -> Json:
        """A message; the one there is where the user has used that key."""
        if (user["id"], key) in self.by_key:
            return self.by_key[user["id"], key]
        log = self.rooms.setdefault(room, [])
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        message = {
            "room": room,
            "seq": len(log) + 1,
            "id": secrets.token_hex(8),
            "sender": {name: value for name, value in user.items() if name != "role"},
            "text": text,
            "at": at.replace("+00:00", "Z"),
        }
        log.append(message)
        self.by_key[user["id"], key] = message
        await self._tell("chat.message", room, message)
        return message

    async def _tell(self, kind: str, room: str, data: Json) -> None:
        seq = next(self._seq)
        for connection in list(self.connections):
            if room in connection.rooms:
                await connection.say(kind, seq=seq, data=data)


def set_of(sessions: dict[str, Json]) -> list[Json]:
    """Each session once: all its access tokens share one."""
    return list({id(session): session for session in sessions.values()}.values())
