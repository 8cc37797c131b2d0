"""Refusals as HTTP answers: RFC 9457 problem details. Pure.

Every error the HTTP side gives is a `Problem` whose `code` is of the closed set of
PROTOCOL.md section 3.
"""

from http import HTTPStatus
from typing import Annotated

from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Response
from msgspec import Meta, Struct

from schemas import wording
from schemas.accounts import Result
from schemas.codec import encode
from schemas.commands import Answer
from schemas.refusals import Code, Refusal

MEDIA_TYPE = "application/problem+json"
BODY_BYTES_MAX = 64 * 1024
"""PROTOCOL.md section 5."""
RETRY_AFTER_S = 1
"""How long a new leader, or a persistence worker that is restarted, takes at most."""

_CODE_OF_STATUS: dict[int, Code] = {
    # What the framework itself refuses. The set has no code of its own for an unknown
    # path or method: `unknown_type`, as for a frame of an unknown type.
    HTTPStatus.BAD_REQUEST: Code.BAD_FRAME,
    HTTPStatus.UNAUTHORIZED: Code.NOT_AUTHENTICATED,
    HTTPStatus.FORBIDDEN: Code.WRONG_ROLE,
    HTTPStatus.NOT_FOUND: Code.UNKNOWN_TYPE,
    HTTPStatus.METHOD_NOT_ALLOWED: Code.UNKNOWN_TYPE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Code.BAD_FRAME,
    HTTPStatus.UNPROCESSABLE_ENTITY: Code.INVALID_DATA,
    HTTPStatus.TOO_MANY_REQUESTS: Code.RATE_LIMITED,
}


_DETAILS: dict[int, str] = {
    # The framework says no more than the status's name.
    HTTPStatus.NOT_FOUND: "there is no such path",
    HTTPStatus.METHOD_NOT_ALLOWED: "the path does not take this method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"the body has over {BODY_BYTES_MAX} bytes",
}


class Problem(Struct, frozen=True):
    """RFC 9457 problem details."""

    type: Annotated[str, Meta(description="where the code is explained")]
    title: Annotated[str, Meta(description="the same for all problems of this code")]
    status: Annotated[int, Meta(description="the HTTP status")]
    detail: Annotated[str, Meta(description="what was found, and the limit")]
    code: Annotated[Code, Meta(description="of the closed set of refusals")]


class Refused(Exception):  # noqa: N818 - the contract's word
    """Ends a request with a problem; root of what this package raises.

    `status` None: the code's usual one (schemas/refusals.py).
    """

    def __init__(
        self,
        code: Code,
        message: str,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message)
        self.status = code.http_status if status is None else status
        self.headers = headers or {}

    @classmethod
    def of(cls, refusal: Refusal) -> "Refused":
        """What a leader, or a limit of ours, refused, by the code's usual status."""
        made = cls(refusal.code, refusal.message)
        made.refusal = refusal
        return made


def data_of(result: Result) -> bytes:
    """The JSON of an answer from persistence.

    Raises:
        Refused: it is a refusal.
    """
    if result.refused is not None:
        wait_s = result.retry_after_s
        headers = None if wait_s is None else {"Retry-After": str(wait_s)}
        refusal = result.refused
        raise Refused(refusal.code, refusal.message, result.status, headers)
    return b"null" if result.data is None else bytes(result.data)


def decided(answer: Answer) -> bytes:
    """The JSON of an answer from a region's leader.

    Raises:
        Refused: it is a refusal.
    """
    if answer.refused is not None:
        raise Refused.of(answer.refused)
    return b"null" if answer.data is None else bytes(answer.data)


def body_and_headers(
    refusal: Refusal, status: int, headers: dict[str, str] | None = None
) -> tuple[bytes, dict[str, str]]:
    """A problem's body, and the headers that belong to its status."""
    code = refusal.code
    problem = Problem(
        f"/docs#{code.value}", code.http_title, status, refusal.message, code
    )
    headers = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        after_s = refusal.retry_after_s or RETRY_AFTER_S
        headers.setdefault("Retry-After", str(after_s))
    return encode(problem), headers


def response(
    refusal: Refusal, status: int, headers: dict[str, str] | None = None
) -> Response[bytes]:
    body, headers = body_and_headers(refusal, status, headers)
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def of_framework(error: HTTPException) -> Response[bytes]:
    """What Litestar refuses itself: unknown paths and methods, data that doesn't fit
    its declared shape, bodies over the limit.
    """
    status = error.status_code
    if status == HTTPStatus.BAD_REQUEST and isinstance(error.extra, list):
        # A ValidationException: each entry names a field of the body or the query.
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        detail = "; ".join(_fault(entry) for entry in error.extra)
    else:
        detail = _DETAILS.get(status) or error.detail
    headers = error.headers or {}
    if isinstance(error, MethodNotAllowedException):
        headers = {"Allow": _allowed(headers.get("allow", ""))}
    code = _CODE_OF_STATUS.get(status, Code.UNAVAILABLE)
    return response(Refusal(code, detail), status, headers)


def _fault(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    message = str(entry.get("message", "doesn't fit"))
    key = str(entry.get("key", ""))
    said = wording.plain(message)
    if not key or said.endswith(wording.MISSING):
        return said  # it names the field; the key is but the argument's name
    return f"{key}: {said.removeprefix(wording.ALL).lstrip()}"


def _allowed(methods: str) -> str:
    names = {name.strip() for name in methods.split(",") if name.strip()}
    if "GET" in names:
        names.add("HEAD")
    return ", ".join(sorted(names))


def specs(*codes: Code, **more: int) -> dict[int, ResponseSpec]:
    """The problems a route may answer with, for OpenAPI.

    Args:
        codes: by their usual status.
        more: code=status where this route's status differs from the usual.
    """
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(code.http_status, []).append(code)
    for name, status in more.items():
        by_status.setdefault(status, []).append(Code[name.upper()])
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description=", ".join(
                f"`{code.value}`: {code.http_title}" for code in codes_
            ),
        )
        for status, codes_ in sorted(by_status.items())
    }
