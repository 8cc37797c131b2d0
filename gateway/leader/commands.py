"""A command on its way to a leader, and whose it is; gateway/leader/link.py has it."""

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from gateway.leader.inorder import Line
from runtime import tracing
from schemas import codec
from schemas.commands import Answer, AnyCommand
from schemas.refusals import Refusal


class Owner(Protocol):
    """Whose command it is; `pending` belongs to the link."""

    pending: int


Done = Callable[[Answer], None]
"""Called exactly once for each command that was taken: answered or refused."""


class Pending(Struct, eq=False):
    """One command that was taken and not yet answered. `waits`: in its line, until
    others are over.
    """

    region: str
    command: AnyCommand
    owner: Owner | None
    done: Done
    traceparent: str
    encoded: bytes
    """The command until it is sent; empty: encode it again."""
    size: int
    started_s: float
    deadline_s: float
    sent_s: float = 0.0
    queued: bool = True
    is_new: bool = True
    """Never sent: nobody can have decided any of its attempts."""
    line: "Line[Pending] | None" = None
    alone: bool = False
    waits: bool = False
    looking_up: bool = False
    is_found: bool = False

    @property
    def is_out(self) -> bool:
        """Whether it waits for the leader alone."""
        return not self.looking_up and not self.waits

    def taken(self, now_s: float) -> bytes:
        """It is sent now: encoded."""
        self.queued = self.is_new = False
        self.sent_s = now_s
        encoded = self.encoded or codec.encode(self.command)
        self.encoded = b""
        return encoded

    def refused(self, refusal: Refusal) -> Answer:
        return Answer(self.command.id, self.command.attempt, refused=refusal)


class InRegion:
    """All that is on its way to one leader."""

    __slots__ = (
        "after",
        "answered_s",
        "away_s",
        "ended",
        "epoch",
        "lines",
        "outbox",
        "pause_s",
        "pending",
        "talk",
    )

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        self.outbox: list[Pending] = []
        self.talk: dict[str, int] = {}
        """How many messages are on their way to a room; only where there are any."""
        self.lines: dict[int, dict[str, Line[Pending]]] = {}
        """By owner's id, and what the line is about."""
        self.after: dict[int, Callable[[], None]] = {}
        """By owner's id: what is done once all their lines are over."""
        self.ended: list[int] = []
        """Owners whose lines are."""
        self.epoch = 0
        self.away_s: float | None = None
        """No leader listens: when to try again. None: one does, as far as we know."""
        self.pause_s = 0.0
        self.answered_s = float("-inf")
        """When its leader last answered."""

    def line(self, pending: Pending, about: str) -> Line[Pending]:
        """That of its owner; made where there is none."""
        key = (id(pending.owner), about)
        lines = self.lines.setdefault(key[0], {})
        line = lines.get(about)
        if line is None:
            line = lines[about] = Line(key)
        return line

    def said(self, room: str) -> None:
        """A message to it waits for its answer no longer."""
        self.talk[room] -= 1
        if not self.talk[room]:
            del self.talk[room]


def traced(command: AnyCommand, parent: str, done: Done) -> tuple[str, Done]:
    """The context that a command carries on, and `done`, which ends its span."""
    span = tracing.enter("gateway command", parent)
    if span is tracing.NONE or not span.is_recording:
        return span.traceparent, done

    def ended(answer: Answer) -> None:
        done(answer)
        code = answer.refused.code.value if answer.refused is not None else ""
        kind = str(command.__struct_config__.tag)
        span.end(code, kind=kind, command=command.id, user=command.by.id)

    return span.traceparent, ended


def command_ids(prefix: str) -> Iterator[str]:
    """Ids no other gateway process gives: 16 random hex digits and a count."""
    return map(f"{prefix}%016x".__mod__, itertools.count(1))
