"""A link, clock in hand, and everything that happened around it."""

from typing import Any

from gateway.leader.commands import Pending
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas import codec, commands
from schemas.budget import MESSAGE_BYTES_MAX
from schemas.commands import Answer, Answers, AnyCommand, Lookup
from schemas.refusals import Refusal
from schemas.trips import Role, User
from tests.contract.gateway_ws.scripted_leader import raw

USER = User("u1", "ada", "Ada", "L", Role.RIDER)


class Owner:
    pending = 0


class Post:
    """A link, and everything that happened around it."""

    def __init__(self, **limits: Any) -> None:
        self.sent: list[tuple[str, list[AnyCommand]]] = []
        self.traces: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.lookups: list[tuple[Pending, Lookup]] = []
        self.connected = True
        self.waiting = 0
        self.owner = Owner()
        self.link = Link(
            Limits(**limits),
            self._send,
            self._look_up,
            lambda: None,
            lambda: self.waiting,
        )

    def _send(self, region: str, payload: bytes, trace: str) -> bool:
        assert len(payload) <= MESSAGE_BYTES_MAX
        if self.connected:
            batch = codec.decode(payload, list[commands.AnyCommand])
            self.sent.append((region, batch))
            self.traces.append(trace)
        return self.connected

    def _look_up(self, pending: Pending, lookup: Lookup) -> None:
        self.lookups.append((pending, lookup))

    def submit(
        self,
        command_id: str,
        now_s: float = 0,
        region: str = "main",
        traceparent: str = "",
        trip: str = "t",
        **more: Any,
    ) -> Refusal | None:
        def done(answer: Answer) -> None:
            code = answer.refused.code.value if answer.refused else "ok"
            self.ended.append((answer.id, code))

        command = commands.GetTrip(id=command_id, deadline_ms=0, by=USER, trip=trip)
        return self.link.submit(
            region, command, self.owner, done, now_s, traceparent=traceparent, **more
        )

    def flush(self, now_s: float = 0) -> None:
        self.link.flush(now_s)

    def answer(self, command_id: str, attempt: int = 1, now_s: float = 0) -> None:
        answer = Answer(command_id, attempt, data=raw({}))
        self.link.answered("main", Answers(1, [answer]), now_s)

    def trace(self) -> list[list[tuple[str, int]]]:
        """The batches sent, as (id, attempt)."""
        return [[(c.id, c.attempt) for c in batch] for _, batch in self.sent]
