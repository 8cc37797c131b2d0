"""`cabrank say` and `cabrank notify`: the server side speaks, from a shell or cron.

Over the public HTTP API, as an operator whose token lives for a minute: signed with the
data directory's key, or CABRANK_TOKEN (or CABRANK_TOKEN_FILE's).
"""

import http.client
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import Struct

from cabrank.errors import UnreachableError, UsageError, reason, sentence
from cabrank.operate import target
from cabrank.operate.address import base_url
from persistence.errors import PersistenceError
from persistence.identity.keyfiles import Signer
from runtime import environment
from schemas import rooms
from schemas.codec import CodecError, decode, encode
from schemas.events import Heard
from schemas.rooms import MessageData
from schemas.subjects import SubjectError
from schemas.trips import Role, User

T = TypeVar("T")

TOKEN = "CABRANK_TOKEN"  # noqa: S105 (the variable's name)
TOKEN_TTL_S = 60.0
TIMEOUT_S = 15.0
"""Beyond the 10 s after which a gateway answers `unavailable`."""
ATTEMPTS = 3
RETRY_S = 1.0
"""A new leader, or a gateway that is restarted, takes less."""
ITSELF = User(
    "00000000-0000-7000-8000-000000000000", "cabrank", "cabrank", "", Role.OPERATOR
)
"""Who speaks where no CABRANK_TOKEN says otherwise; no account has that id."""

_BUSY = 503


class _Problem(Struct):
    """As much of an RFC 9457 problem as is told."""

    detail: str = ""
    code: str = ""


class Door:
    """The HTTP API of a running system."""

    def __init__(self, data_dir: Path | None, url: str | None) -> None:
        """Raises UsageError: no URL and nothing was started, or no key to sign with."""
        self._base = base_url(target.url(data_dir) if url is None else url)
        # Direct, as the load clients: a proxy for the web is none for this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = environment.read(TOKEN) or _sign(data_dir)

    def get(self, path: str) -> bytes:
        """The answer's body; raises as `post`."""
        return self._ask(path, None)

    def post(self, path: str, body: Any) -> bytes:
        """The answer's body. What may be asked again is, while it is `unavailable`.

        Raises:
            UsageError: it was refused; the message says why.
            UnreachableError: nobody answered.
        """
        return self._ask(path, encode(body))

    def _ask(self, path: str, body: bytes | None) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                time.sleep(RETRY_S)
            try:
                return self._once(path, body)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != _BUSY or attempt == ATTEMPTS:
                        raise UsageError(_why(error.code, error.read())) from None
            except (OSError, http.client.HTTPException) as error:
                if attempt == ATTEMPTS:
                    raise UnreachableError(
                        f"Nobody answers at {self._base}: {reason(error)}."
                    ) from None
        raise AssertionError

    def _once(self, path: str, body: bytes | None) -> bytes:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(  # noqa: S310 (checked by `base_url`)
            self._base + path, body, headers, method="GET" if body is None else "POST"
        )
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            said: bytes = answer.read()
            return said


def say(room: str, text: str, data_dir: Path | None, url: str | None) -> int:
    """Send a message to a room; returns its number there.

    Raises:
        UsageError: the room or the text can't be, or it was refused.
        UnreachableError: nobody answered.
    """
    try:
        name = rooms.canonical(room)
    except SubjectError as error:
        raise UsageError(f"The room can't be named that: {error}.") from None
    if not text:
        raise UsageError("There is no text to send.")
    # The same key in every attempt, so that it is never said twice.
    body = {"text": text, "idempotency_key": str(uuid.uuid4())}
    answer = Door(data_dir, url).post(f"/api/rooms/{name}/messages", body)
    return _read(answer, MessageData).seq


def notify(user: str, data: str, data_dir: Path | None, url: str | None) -> int | None:
    """Send a notice, a JSON object, to a user's live sessions.

    Returns:
        How many got it; None: a gateway of 0.1 doesn't say.

    Raises:
        UsageError: the JSON is none, or it was refused.
        UnreachableError: nobody answered.
    """
    try:
        body = decode(data.encode(), dict[str, Any])
    except (CodecError, UnicodeEncodeError) as error:
        raise UsageError(f"The notice is not a JSON object: {error}.") from None
    path = f"/api/users/{quote(user, safe='')}/notices?count=true"
    answer = Door(data_dir, url).post(path, {"data": body})
    return _read(answer, Heard).sessions if answer else None


def _read(answer: bytes, kind: type[T]) -> T:
    try:
        return decode(answer, kind)
    except CodecError as error:
        raise UnreachableError(
            f"It was taken, but what answers is no cabrank: {error}."
        ) from None


def _sign(data_dir: Path | None) -> str:
    found = target.find(data_dir)
    try:
        signer = Signer.load(found.signing_key)
    except PersistenceError as error:
        raise UsageError(sentence(error)) from None
    now_ms = int(time.time() * 1000)
    region = environment.load().region
    return signer.issue(ITSELF, region, str(uuid.uuid4()), now_ms, TOKEN_TTL_S)


def _why(status: int, body: bytes) -> str:
    try:
        problem = decode(body, _Problem)
    except CodecError:
        problem = _Problem()
    if not problem.detail:
        return f"It was refused with HTTP status {status}."
    return f"It was refused ({problem.code}): {problem.detail.rstrip('.')}."
