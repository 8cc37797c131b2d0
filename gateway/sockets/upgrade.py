"""The opening handshake of one socket: judged, where need be by a leader, and answered.

A trip's room on the path is entered by its participants only, which the region's leader
knows; the answer to the upgrade waits for it. Must not know what a session does.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING

from gateway import address, metrics
from gateway.clock import Clock
from gateway.errors import UnknownKey
from gateway.identity import device
from gateway.identity.tokens import Identity
from gateway.session import client_frames
from gateway.sockets import handshake, rejection, rfc6455
from gateway.sockets.quota import Quota
from runtime.settings import Network
from schemas import rooms, scopes
from schemas.claims import Claims
from schemas.frame_types import BY_TYPE
from schemas.refusals import Code, Refusal

_REVOKED = Refusal(Code.NOT_AUTHENTICATED, "the token has been revoked")


class Door(Struct, frozen=True):
    """Who may come in, the same for all sockets of a gateway."""

    identity: Identity
    origins: list[str]
    proxies: Sequence[Network]
    quota: Quota
    now: Clock
    settle: Callable[[UnknownKey, str, Callable[[Refusal | None], None]], bool]
    """Find out about a token of that address (gateway/identity/settling.py), then call:
    why it is refused, or None: judge again. False: there is nobody to ask.
    """
    may_enter: Callable[[Claims, str, Callable[[Refusal | None], None]], None]
    """Ask whether that user may join a room; told None, or why not."""


class Opening(Protocol):
    """The socket, as long as it is judged."""

    @property
    def peer(self) -> str:
        """The address at its other end."""

    @property
    def is_closing(self) -> bool: ...

    def wait(self) -> None:
        """Read nothing until the verdict."""

    def accepted(self, verdict: handshake.Accepted) -> None:
        """Its answer is to be sent, and frames follow."""

    def rejected(self) -> None:
        """Its answer is to be sent, and ends it."""


class Upgrade:
    """`place`: where the client is, as far as that is known; `_user`: as whose it is
    counted. Both None: it is not. `device`: what the client's device is called
    (gateway/identity/device.py), where a password may follow.
    """

    __slots__ = ("_door", "_socket", "_user", "_ws", "device", "place")

    def __init__(self, door: Door, ws: rfc6455.Protocol, socket: Opening) -> None:
        self._door = door
        self._ws = ws
        self._socket = socket
        self.place: str | None = None
        self._user: str | None = None
        self.device = ""

    def leave(self) -> None:
        """The socket is gone; what is said about it now is of no interest."""
        del self._socket
        place, self.place = self.place, None
        if place is not None:
            self._door.quota.leave(place)
        user, self._user = self._user, None
        if user is not None:
            self._door.quota.leave_as(user)

    def _enter(self, request: Request) -> Refusal | None:
        if self.place is not None:  # it is judged again
            return None
        forwarded = request.headers.get_all("X-Forwarded-For")
        peer = address.address(self._socket.peer, forwarded, self._door.proxies)
        place = address.place(peer)
        refusal = self._door.quota.enter(place)
        if refusal is None:
            self.place = place
        return refusal

    def enter_as(self, claims: Claims) -> Refusal | None:
        """Count it as that user's; why not: it would be one too many."""
        if self._user is not None:
            return None
        refusal = self._door.quota.enter_as(claims.sub)
        if refusal is None:
            self._user = claims.sub
        return refusal

    def judge(self, request: Request, *, is_first: bool = True) -> None:
        door = self._door
        crowded = self._enter(request)
        if crowded is not None:
            self._reject(rejection.of_refusal(crowded))
            return
        now_s = door.now().wall_ms / 1000
        verdict: handshake.Accepted | handshake.Rejected
        try:
            verdict = handshake.judge(
                request.path,
                request.headers.get_all,
                door.origins,
                lambda token: door.identity.verify(token, now_s),
            )
        except UnknownKey as error:
            place = self.place or ""
            told = partial(self._settled, request)
            if is_first and door.settle(error, place, told):
                self._socket.wait()
                return
            verdict = handshake.Rejected(401, Code.NOT_AUTHENTICATED, str(error))
        if isinstance(verdict, handshake.Rejected):
            self._reject(rejection.rejection(verdict))
            return
        claims, room = verdict.claims, verdict.room
        refusal = None if claims is None else self.enter_as(claims)
        if claims is not None and room is not None and refusal is None:
            refusal = scopes.lacking(claims, BY_TYPE[client_frames.JOIN].needs)
        if refusal is not None:
            self._reject(rejection.of_refusal(refusal))
            return
        if claims is None or room is None or rooms.trip_of(room) is None:
            self._accept(request, verdict)
            return
        self._socket.wait()
        door.may_enter(
            claims,
            room,
            lambda refusal: self._judged(request, verdict, claims, refusal),
        )

    @property
    def _is_over(self) -> bool:
        return self._ws.state is not CONNECTING or self._socket.is_closing

    def _settled(self, request: Request, refusal: Refusal | None) -> None:
        """What was found out about the token."""
        if self._is_over:
            return
        if refusal is not None:
            self._reject(rejection.of_refusal(refusal))
            return
        self.judge(request, is_first=False)

    def _judged(
        self,
        request: Request,
        verdict: handshake.Accepted,
        claims: Claims,
        refusal: Refusal | None,
    ) -> None:
        """What the leader said about the room of this path."""
        if self._is_over:
            return
        if self._door.identity.is_revoked(claims):  # meanwhile; no session heard of it
            refusal = _REVOKED
        if refusal is not None:
            self._reject(rejection.of_refusal(refusal))
            return
        self._accept(request, verdict)

    def _accept(self, request: Request, verdict: handshake.Accepted) -> None:
        response = self._ws.accept(request)
        if response.status_code != 101:  # noqa: PLR2004 - Switching Protocols
            self._reject(rejection.as_problem(response, self._ws.handshake_exc))
            return
        if verdict.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = verdict.subprotocol
        metrics.UPGRADED.inc()
        if verdict.claims is None:
            self.device = device.named(request.headers.get_all("Cookie"))
        self._ws.send_response(response)
        # websockets' parser holds on to the request as long as the socket lives: 2 KiB.
        request.headers.clear()
        request.path = ""
        self._socket.accepted(verdict)

    def _reject(self, response: Response) -> None:
        metrics.HANDSHAKES.labels(str(response.status_code)).inc()
        self._ws.send_response(response)
        self._socket.rejected()
