"""The opening handshake of one socket: judged, where need be by a leader, and answered.

A trip's room on the path is entered by its participants only, which the region's leader
knows; the answer to the upgrade waits for it. Must not know what a session does.
"""

from typing import TYPE_CHECKING

from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING

from gateway import metrics
from gateway.errors import UnknownKey
from gateway.identity import device
from gateway.sockets import address, handshake, quota, rejection, rfc6455
from gateway.sockets.closing import Closing
from schemas import rooms
from schemas.claims import Claims
from schemas.refusals import Code, Refusal

if TYPE_CHECKING:
    from gateway.bootstrap import Edge

_REVOKED = Refusal(Code.NOT_AUTHENTICATED, "the token has been revoked")


class Opening(Closing):
    """`_place`, `_user`: as whose it is counted; None: it is not. `device`: what the
    client's device is called (gateway/identity/device.py), where a password may follow.
    """

    __slots__ = ("_place", "_user", "device")

    def __init__(self, edge: "Edge", ws: rfc6455.Protocol) -> None:
        super().__init__(edge, ws)
        self._place: str | None = None
        self._user: str | None = None
        self.device = ""

    def upgrade(self, request: Request) -> None:
        """The HTTP server has read a request for a WebSocket; only frames follow."""
        self._ws.expect_frames()
        self._handshake(request)

    def _begin(self, verdict: handshake.Accepted) -> None:
        """The socket is open: its session starts."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Where the client is, as far as that is known; empty once it is gone."""
        return self._place or ""

    def _peer(self, request: Request) -> str:
        name = self._transport.get_extra_info("peername")
        host = name[0] if isinstance(name, tuple) else ""
        forwarded = request.headers.get_all("X-Forwarded-For")
        return quota.place(address.address(host, forwarded, self._edge.proxies))

    def _leave(self) -> None:
        """The socket is gone."""
        place, self._place = self._place, None
        if place is not None:
            self._edge.crowd.leave(place)
        user, self._user = self._user, None
        if user is not None:
            self._edge.crowd.leave_as(user)

    def _enter(self, request: Request) -> Refusal | None:
        if self._place is not None:  # it is judged again
            return None
        place = self._peer(request)
        refusal = self._edge.crowd.enter(place)
        if refusal is None:
            self._place = place
        return refusal

    def _enter_as(self, claims: Claims) -> Refusal | None:
        """Count it as that user's; why not: it would be one too many."""
        refusal = self._edge.crowd.enter_as(claims.sub)
        if refusal is None:
            self._user = claims.sub
        return refusal

    def _handshake(self, request: Request, *, is_first: bool = True) -> None:
        edge = self._edge
        crowded = self._enter(request)
        if crowded is not None:
            self._reject(rejection.of_refusal(crowded))
            return
        now_s = edge.now().wall_ms / 1000
        verdict: handshake.Accepted | handshake.Rejected
        try:
            verdict = handshake.judge(
                request.path,
                request.headers.get_all,
                edge.origins,
                lambda token: edge.identity.verify(token, now_s),
            )
        except UnknownKey as error:
            if is_first and edge.renew_keys(lambda: self._again(request)):
                self._intake.hold()
                return
            verdict = handshake.Rejected(401, Code.NOT_AUTHENTICATED, str(error))
        if isinstance(verdict, handshake.Rejected):
            self._reject(rejection.rejection(verdict))
            return
        claims, room = verdict.claims, verdict.room
        crowded = None if claims is None else self._enter_as(claims)
        if crowded is not None:
            self._reject(rejection.of_refusal(crowded))
            return
        if claims is None or room is None or rooms.trip_of(room) is None:
            self._accept(request, verdict)
            return
        self._intake.hold()
        edge.may_enter(
            claims,
            room,
            lambda refusal: self._judged(request, verdict, claims, refusal),
        )

    def _again(self, request: Request) -> None:
        """The issuer's keys were fetched, as far as they could be."""
        if self._ws.state is CONNECTING and not self._transport.is_closing():
            self._handshake(request, is_first=False)

    def _judged(
        self,
        request: Request,
        verdict: handshake.Accepted,
        claims: Claims,
        refusal: Refusal | None,
    ) -> None:
        """What the leader said about the room of this path."""
        if self._ws.state is not CONNECTING or self._transport.is_closing():
            return
        if self._edge.identity.is_revoked(claims):  # meanwhile; no session heard of it
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
        metrics.HANDSHAKES.labels("101").inc()
        if verdict.claims is None:
            self.device = device.named(request.headers.get_all("Cookie"))
        self._ws.send_response(response)
        # websockets' parser holds on to the request as long as the socket lives: 2 KiB.
        request.headers.clear()
        request.path = ""
        self._write_control()
        self._intake.opened()
        self._begin(verdict)
        self._intake.release()

    def _reject(self, response: Response) -> None:
        metrics.HANDSHAKES.labels(str(response.status_code)).inc()
        self._ws.send_response(response)
        self._write_control()
