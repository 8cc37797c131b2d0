"""What a session wants done: gateway/session/machine.py decides it,
gateway/sockets/websocket.py does it.

Pure. Each is one thing; a frame may cause several, done in order.
"""

from collections.abc import Callable

from msgspec import Struct

from gateway.clock import Now
from gateway.errors import UncheckedKey
from gateway.session.client_frames import Watched
from schemas import accounts
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import AnyCommand, Fix, JoinRoom, LeaveRoom
from schemas.refusals import Code, Refusal


class Send(Struct, frozen=True):
    """An answer, framed."""

    frame: bytes
    code: Code | None = None
    """Of a refusal, for counting."""


class Shut(Struct, frozen=True):
    code: Close


class Hold(Struct, frozen=True):
    """Read nothing more until then (monotonic seconds)."""

    until_s: float


class Submit(Struct, frozen=True):
    """A command for the leader; its answer goes to `ref`."""

    ref: str | None
    command: AnyCommand
    traceparent: str = ""


class Visit(Struct, frozen=True):
    """A room is entered or left, which also changes what this session is sent."""

    ref: str | None
    command: JoinRoom | LeaveRoom
    traceparent: str = ""


class Watch(Struct, frozen=True):
    """From now on it is shown this of its region."""

    ref: str | None
    wanted: Watched


class AskLogIn(Struct, frozen=True):
    """Persistence must check a password; answer by `Session.logged_in`."""

    request: accounts.LogIn


class AskKey(Struct, frozen=True):
    """A service account's key must be asked about; then do what `then` says: it is told
    why the key is refused, or None.
    """

    about: UncheckedKey
    then: Callable[[Refusal | None, Now], list["Action"]]


class Identified(Struct, frozen=True):
    """The session knows its user: `welcome` is due."""

    claims: Claims
    since: int | None


class Renewed(Struct, frozen=True):
    """The token was replaced; the expiry moved."""


Action = (
    Send
    | Shut
    | Hold
    | Submit
    | Visit
    | Fix
    | Watch
    | AskLogIn
    | AskKey
    | Identified
    | Renewed
)
