"""Answers to upgrade requests that are refused: RFC 9457 problems, as over HTTP.

Pure. Which requests are refused is gateway/sockets/handshake.py's and websockets' to
say.
"""

from email.utils import formatdate
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.http11 import Response

from gateway import problems
from gateway.sockets.handshake import Rejected
from schemas.refusals import Code, Refusal

_VERSION = "Sec-WebSocket-Version"


def rejection(rejected: Rejected) -> Response:
    return problem(rejected.status, Refusal(rejected.code, rejected.detail))


def of_refusal(refusal: Refusal) -> Response:
    """What a leader, or a limit of ours, refused, by the code's usual status."""
    return problem(refusal.code.http_status, refusal)


def as_problem(response: Response, why: Exception | None) -> Response:
    """The same refusal of websockets' in our shape."""
    detail = bytes(response.body or b"").decode(errors="replace").strip()
    if isinstance(why, InvalidHeader) and why.name == _VERSION:
        refused = problem(426, Refusal(Code.BAD_FRAME, detail))  # RFC 6455 section 4.4
        refused.headers["Upgrade"] = "websocket"
        refused.headers[_VERSION] = "13"
        return refused
    refused = problem(response.status_code, Refusal(Code.BAD_FRAME, detail))
    for name in ("Allow", "Upgrade"):
        if name in response.headers:
            refused.headers[name] = response.headers[name]
    return refused


def problem(status: int, refusal: Refusal) -> Response:
    body, more = problems.body_and_headers(refusal, status)
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": problems.MEDIA_TYPE,
            **more,
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, body)
