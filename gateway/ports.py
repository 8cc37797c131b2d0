"""What the gateway's layers meet through. Pure: shapes alone.

`bootstrap > http | sockets > session > fanout | leader | identity`: a lower layer knows
of a higher one what stands here, and no more.
"""

from typing import Protocol

from schemas.claims import Claims
from schemas.closes import Close

# ---- a socket, as the fan-out has it -----------------------------------------


class Steady(Protocol):
    """Who writes past a socket's queue, as long as nothing waits there."""

    def unsettle(self) -> None:
        """It can no longer be written to without a look."""


class Direct(Protocol):
    """What takes whole frames at once."""

    def write(self, data: bytes) -> None: ...


class Writer(Protocol):
    """One socket's frames out, in the order they were handed over."""

    steady: Steady | None
    """Who is told when it can't be written to directly any more."""

    @property
    def waiting_bytes(self) -> int:
        """What was handed over and has not left this process."""

    def write(self, data: bytes) -> None:
        """Queue whole frames; written when the tick ends."""

    def gather(self, data: bytes) -> None:
        """Queue whole frames that may wait until `let_go`, and leave with what else is
        written before.
        """

    def let_go(self) -> None:
        """Write when the tick ends what was gathered. Idempotent."""

    def deliver(self, data: bytes) -> bool:
        """As `write`, while a tick ends; whether it was written at once."""

    def settle(self, steady: Steady) -> Direct | None:
        """What may be written to directly until `steady.unsettle`; None: nothing."""

    def write_latest(self, key: str, frame: bytes) -> None:
        """Queue a frame that replaces the one with the same key, if it still waits."""


class Connection(Protocol):
    """`bare`: an older client's, that wants a message's text beside its type."""

    @property
    def writer(self) -> Writer: ...

    pending: int
    """gateway/leader/commands.py: Owner."""
    bare: bool

    def close(self, code: Close) -> None: ...

    def live(self) -> None:
        """The welcome is out."""

    def current_claims(self) -> Claims | None: ...


# ---- the tick ----------------------------------------------------------------


class Flushed(Protocol):
    def flush(self) -> None:
        """The tick ends: write what it brought."""


class Tick(Protocol):
    """What all sockets' writers share; counts since they were last told."""

    writes: int
    bytes_out: int

    def dirty(self, writer: Flushed) -> None:
        """It has something to write when the tick ends."""


# ---- NATS --------------------------------------------------------------------


class Cancellable(Protocol):
    """A subscription."""

    def cancel(self) -> None: ...
