"""The opening handshake of one socket: judged, where need be by a leader, and answered.

A trip's room on the path is entered by its participants only, which the region's leader
knows; the answer to the upgrade waits for it. Must not know what a session does.
"""

from typing import TYPE_CHECKING

from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN

from gateway import crowd, handshake, metrics, peer, refusing, rfc6455
from gateway.errors import UnknownKey
from gateway.outbox import Outbox
from schemas import rooms
from schemas.claims import Claims
from schemas.frames import FRAME_BYTES_MAX
from schemas.refusals import Code, Refusal

if TYPE_CHECKING:
    from gateway.edge import Edge

_REVOKED = Refusal(Code.NOT_AUTHENTICATED, "the token has been revoked")


class Opening(Outbox):
    """`_early`: what comes while a leader or an issuer is asked; None: nobody is.
    `_place`: what its address counts as; None: it is not counted.
    """

    __slots__ = ("_early", "_place")

    def __init__(self, edge: "Edge", ws: rfc6455.Protocol) -> None:
        super().__init__(edge, ws)
        self._early: list[bytes] | None = None
        self._place: str | None = None

    def _begin(self, verdict: handshake.Accepted) -> None:
        """The socket is open: its session starts."""
        raise NotImplementedError

    def _write_control(self) -> None:
        """Write what websockets wants sent."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Where the client is, as far as that is known; empty once it is gone."""
        return self._place or ""

    def _peer(self, request: Request) -> str:
        name = self._transport.get_extra_info("peername")
        host = name[0] if isinstance(name, tuple) else ""
        forwarded = request.headers.get_all("X-Forwarded-For")
        return crowd.place(peer.address(host, forwarded, self._edge.proxies))

    def _leave(self) -> None:
        """The socket is gone."""
        place, self._place = self._place, None
        if place is not None:
            self._edge.crowd.leave(place)

    def _is_undecided(self, data: bytes) -> bool:
        """Whether `data` came too early, and is kept."""
        if self._early is None:
            return False
        self._early.append(data)
        if sum(map(len, self._early)) > FRAME_BYTES_MAX:
            self._transport.abort()
        return True

    def _handshake(self, request: Request, *, is_first: bool = True) -> None:
        edge = self._edge
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
                self._early = []
                return
            verdict = handshake.Rejected(401, Code.NOT_AUTHENTICATED, str(error))
        if isinstance(verdict, handshake.Rejected):
            self._reject(refusing.rejection(verdict))
            return
        claims, room = verdict.claims, verdict.room
        crowded = edge.crowd.refusal(self._peer(request), claims)
        if crowded is not None:
            self._reject(refusing.of_refusal(crowded))
            return
        if claims is None or room is None or rooms.trip_of(room) is None:
            self._accept(request, verdict)
            return
        self._early = []
        edge.may_enter(
            claims,
            room,
            lambda refusal: self._judged(request, verdict, claims, refusal),
        )

    def _again(self, request: Request) -> None:
        """The issuer's keys were fetched, as far as they could be."""
        early, self._early = self._early or [], None
        if self._ws.state is not CONNECTING or self._transport.is_closing():
            return
        self._handshake(request, is_first=False)
        if self._early is not None:  # now a leader is asked
            self._early = early
        elif early and self._ws.state is OPEN:
            self.data_received(b"".join(early))

    def _judged(
        self,
        request: Request,
        verdict: handshake.Accepted,
        claims: Claims,
        refusal: Refusal | None,
    ) -> None:
        """What the leader said about the room of this path."""
        early, self._early = self._early or [], None
        if self._ws.state is not CONNECTING or self._transport.is_closing():
            return
        if self._edge.identity.is_revoked(claims):  # meanwhile; no session heard of it
            refusal = _REVOKED
        if refusal is not None:
            self._reject(refusing.of_refusal(refusal))
            return
        self._accept(request, verdict)
        if early and self._ws.state is OPEN:
            self.data_received(b"".join(early))

    def _accept(self, request: Request, verdict: handshake.Accepted) -> None:
        response = self._ws.accept(request)
        if response.status_code != 101:  # noqa: PLR2004 - Switching Protocols
            self._reject(refusing.as_problem(response))
            return
        if verdict.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = verdict.subprotocol
        metrics.HANDSHAKES.labels("101").inc()
        self._place = self._peer(request)
        self._edge.crowd.enter(self._place)
        self._ws.send_response(response)
        # websockets' parser holds on to the request as long as the socket lives: 2 KiB.
        request.headers.clear()
        request.path = ""
        self._write_control()
        self._begin(verdict)

    def _reject(self, response: Response) -> None:
        metrics.HANDSHAKES.labels(str(response.status_code)).inc()
        self._ws.send_response(response)
        self._write_control()
