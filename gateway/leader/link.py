"""Carries commands to the leaders and their answers back, whatever happens between.

A command is kept until its answer and sent again, with the same id and the next
attempt: when a leader announces itself, after "no responders", after a second. The
leader decides it once. At its deadline it is refused `unavailable`: outcome unknown.

Pure: `send` publishes or says that it can't, `look_up` starts asking history; monotonic
seconds come in. Commands of one region leave in the order they were submitted, resent
ones too, so a session's order is kept. Must not know what a command means.
"""

from collections import defaultdict
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from gateway import metrics
from gateway.leader import findings
from gateway.leader.commands import Done, InRegion, Owner, Pending
from gateway.leader.inorder import TRIPS, Line
from gateway.limits import Limits
from schemas import codec
from schemas.accounts import Result
from schemas.budget import as_list, in_messages
from schemas.commands import Answer, Answers, AnyCommand, Lookup
from schemas.refusals import Code, Refusal

Send = Callable[[str, bytes, str], bool]
"""(region, payload, traceparent) → whether it was handed to NATS."""
Asks = Callable[["Pending", Lookup], None]


class Link:
    """`wake` asks for `flush` at the end of this tick. `waiting`: bytes that were sent
    and haven't left this process.
    """

    def __init__(
        self,
        limits: Limits,
        send: Send,
        look_up: Asks,
        wake: Callable[[], None],
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        self._limits = limits
        self._send = send
        self._look_up = look_up
        self._wake = wake
        self._waiting = waiting
        self._left_s = 0.0
        """What was sent until then has left."""
        self._regions: defaultdict[str, InRegion] = defaultdict(InRegion)
        self.count = 0
        """Commands pending in all regions."""
        self.bytes = 0
        """Their size."""

    # ---- out -----------------------------------------------------------------

    def submit(
        self,
        region: str,
        command: AnyCommand,
        owner: Owner | None,
        done: Done,
        now_s: float,
        *,
        traceparent: str = "",
        line: str = "",
        alone: bool = False,
    ) -> Refusal | None:
        """Take one command, or say why not; then `done` is never called. Those of one
        owner and `line` are decided in order (gateway/leader/inorder.py). Owner None:
        it is the gateway's own, and bounded where it is asked.
        """
        limits = self._limits
        most = limits.pending_per_connection_max
        if owner is not None and owner.pending >= most:
            text = f"{most} commands of this connection wait for their answers"
            return Refusal(Code.RATE_LIMITED, text)
        state = self._regions[region]
        full = len(state.pending) >= limits.pending_per_region_max
        full = full or self.bytes >= limits.pending_bytes_max
        if full or self.count >= limits.pending_max:
            return Refusal(Code.OVERLOADED, "too many commands wait for their answers")
        encoded = codec.encode(command)
        pending = Pending(
            region,
            command,
            owner,
            done,
            traceparent,
            encoded,
            size=len(encoded),
            started_s=now_s,
            deadline_s=now_s + limits.command_s,
        )
        state.pending[command.id] = pending
        if not line or self._enter(state, pending, line, alone=alone):
            state.outbox.append(pending)
        if line and not alone:
            state.talk[line] = state.talk.get(line, 0) + 1
        if owner is not None:
            owner.pending += 1
        self.count += 1
        self.bytes += pending.size
        self._wake()
        return None

    def after(self, region: str, owner: Owner, then: Callable[[], None]) -> None:
        """Call `then` once all that this owner has in lines there is over: now, if they
        have nothing. Once for each owner, who submits no more.
        """
        state = self._regions.get(region)
        if state is None or id(owner) not in state.lines:
            then()
        else:
            state.after[id(owner)] = then

    def is_busy(self, region: str, now_s: float) -> bool:
        """Whether that leader is at work, and has much to do."""
        state = self._regions.get(region)
        return (
            state is not None
            and len(state.pending) > self._limits.busy_at
            and now_s - state.answered_s < self._limits.busy_s
        )

    def waits_for(self, region: str) -> bool:
        """Whether answers of that leader are to come."""
        state = self._regions.get(region)
        return state is not None and bool(state.pending)

    def talk(self, region: str, room: str) -> int:
        """How many messages of sessions to that room wait for their answers."""
        state = self._regions.get(region)
        return 0 if state is None else state.talk.get(room, 0)

    def find(self, region: str, command: str) -> Pending | None:
        """What waits for an answer by that id."""
        state = self._regions.get(region)
        return None if state is None else state.pending.get(command)

    def flush(self, now_s: float) -> None:
        """Publish what this tick brought; what can't be stays for a resend."""
        for name, region in self._regions.items():
            if region.outbox and region.away_s is None:
                queued, region.outbox = region.outbox, []
                self._publish(name, queued, now_s)

    def _publish(self, region: str, queue: list[Pending], now_s: float) -> None:
        # A message has one header, so a trace's commands are a message.
        for trace, group in groupby(queue, attrgetter("traceparent")):
            for part in in_messages([pending.taken(now_s) for pending in group]):
                self._send(region, as_list(part), trace)

    # ---- back ----------------------------------------------------------------

    def answered(self, region: str, answers: Answers, now_s: float) -> None:
        """One `Answers` message of that region's leader."""
        state = self._regions.get(region)
        if state is None:
            return
        state.answered_s = now_s
        for answer in answers.answers:
            pending = state.pending.get(answer.id)
            if pending is None or pending.looking_up:
                continue
            if pending.command.attempt != answer.attempt:
                continue  # of an earlier attempt: what it knew may be outdated
            if answer.lookup is not None:
                self._looks(state, pending, in_turn=not answer.lookup.trip)
                self._look_up(pending, answer.lookup)
                continue
            metrics.COMMAND_SECONDS.observe(now_s - pending.started_s)
            self._finish(state, pending, answer)
        if state.away_s is not None:
            self._leader_is_there(region, state, now_s)

    def looked_up(
        self,
        pending: Pending,
        trip: Result | None,
        now_s: float,
        backlog: Result | None = None,
        made: Result | None = None,
        *,
        asked_ms: int = 0,
        asked_seq: int = 0,
        user: Result | None = None,
    ) -> None:
        """What history, or of a user accounts, said (None: wasn't asked); a command
        past its deadline no longer cares.
        """
        state = self._regions[pending.region]
        if state.pending.get(pending.command.id) is not pending:
            return
        found = findings.read(
            pending,
            trip,
            backlog,
            made,
            user,
            asked_ms=asked_ms,
            asked_seq=asked_seq,
        )
        if isinstance(found, Refusal):
            self._finish(state, pending, pending.refused(found))
            return
        pending.command = replace(pending.command, **found)
        size = len(codec.encode(pending.command))
        self.bytes += size - pending.size
        pending.size = size
        pending.is_found = True
        if pending.line is None:
            pending.looking_up = False
            self._again([pending])
        else:
            self._advance(state, pending.line)
        self.flush(now_s)

    def no_responders(self, region: str, now_s: float) -> None:
        """No leader listens; a new one announces itself, or answers the probe."""
        state = self._regions.get(region)
        if state is None or state.away_s is not None or not state.pending:
            return
        limits = self._limits
        state.pause_s = min(
            max(state.pause_s * 2, limits.no_leader_min_s), limits.no_leader_max_s
        )
        state.away_s = now_s + state.pause_s

    def announced(self, region: str, epoch: int, now_s: float) -> None:
        """A leader's announcement; a new one gets all that is unanswered."""
        state = self._regions[region]
        if epoch > state.epoch or state.away_s is not None:
            state.epoch = max(epoch, state.epoch)
            self._leader_is_there(region, state, now_s)

    def resend_all(self, now_s: float) -> None:
        """NATS is back: what was sent before, and its answers, may be lost."""
        for name, state in list(self._regions.items()):
            self._leader_is_there(name, state, now_s)

    def tick(self, now_s: float) -> None:
        """Deadlines, resends after a second, probes for a leader. What still waits to
        leave this process isn't sent once more behind itself.
        """
        if not self._waiting():
            self._left_s = now_s
        for name, state in list(self._regions.items()):
            if not state.pending:
                state.away_s, state.pause_s = None, 0.0
                continue
            self._expire(state, now_s)
            if state.away_s is not None:
                if now_s >= state.away_s:
                    self._probe(name, state, now_s)
                continue
            limit_s = min(now_s - self._limits.resend_s, self._left_s)
            late = [
                p
                for p in state.pending.values()
                if p.sent_s <= limit_s and p.is_out and not p.queued
            ]
            if late:
                self._again(late)
                self.flush(now_s)

    # ---- inside --------------------------------------------------------------

    def _enter(
        self, state: InRegion, pending: Pending, about: str, *, alone: bool
    ) -> bool:
        pending.line, pending.alone = state.line(pending, about), alone
        pending.queued = pending.line.enter(pending)
        pending.waits = not pending.queued
        return pending.queued

    def _looks(self, state: InRegion, pending: Pending, *, in_turn: bool) -> None:
        """It waits for history, or behind one that does. `in_turn`: what comes of it
        comes before what comes of its owner's next ones.
        """
        pending.looking_up = True
        if pending.line is None and in_turn and pending.owner is not None:
            pending.line = state.line(pending, TRIPS)
            pending.line.join(pending)
        if pending.line is not None:
            pending.line.looking += 1

    def _advance(self, state: InRegion, line: "Line[Pending]") -> None:
        """Send on who was held up by what is over, or was found."""
        back = line.back()
        for pending in back:
            pending.looking_up = pending.is_found = False
        self._again(back)
        for pending in line.advance():
            pending.waits, pending.queued = False, True
            state.outbox.append(pending)
        self._wake()
        if line.is_empty:
            self._end(state, line)

    def _end(self, state: InRegion, line: "Line[Pending]") -> None:
        owner, about = line.key
        lines = state.lines[owner]
        del lines[about]
        if not lines:
            del state.lines[owner]
            state.ended.append(owner)

    def _again(self, pendings: list[Pending]) -> None:
        """Queue them once more, each that was sent before with its next attempt."""
        outbox = self._regions[pendings[0].region].outbox if pendings else []
        for pending in pendings:
            command = pending.command
            pending.encoded = b""
            if not pending.is_new:
                pending.command = replace(command, attempt=command.attempt + 1)
            if not pending.queued:
                pending.queued = True
                outbox.append(pending)
        metrics.RESENDS.inc(len(pendings))

    def _leader_is_there(self, name: str, state: InRegion, now_s: float) -> None:
        state.away_s, state.pause_s = None, 0.0
        state.outbox.clear()
        self._again(self._unanswered(state))
        queued, state.outbox = state.outbox, []
        self._publish(name, queued, now_s)

    def _unanswered(self, state: InRegion) -> list[Pending]:
        """What a leader is to have that knows of none; but what would overtake one that
        waits for history waits behind it from now on.
        """
        waiting, looking = [], set[tuple[int, str]]()
        for pending in state.pending.values():
            line = pending.line
            key = (id(pending.owner), TRIPS) if line is None else line.key
            if not pending.is_out:
                if pending.looking_up and line is not None:
                    looking.add(key)
                continue
            pending.queued = False
            if key in looking:
                self._looks(state, pending, in_turn=True)
                pending.is_found = True
            else:
                waiting.append(pending)
        return waiting

    def _probe(self, name: str, state: InRegion, now_s: float) -> None:
        """Send the oldest alone, so that an outage costs no traffic."""
        first = next((p for p in state.pending.values() if p.is_out), None)
        state.away_s = None
        if first is None:
            return
        state.outbox = [p for p in state.outbox if p is not first]
        first.queued = True
        self._again([first])
        self._publish(name, [first], now_s)
        pause_s = min(state.pause_s * 2, self._limits.no_leader_max_s)
        state.pause_s = pause_s
        state.away_s = now_s + pause_s

    def _expire(self, state: InRegion, now_s: float) -> None:
        # Insertion order is deadline order.
        while state.pending:
            first = next(iter(state.pending.values()))
            if now_s < first.deadline_s:
                return
            text = "no dispatcher answered in time; the outcome is unknown"
            refusal = first.refused(Refusal(Code.UNAVAILABLE, text))
            self._finish(state, first, refusal)

    def _finish(self, state: InRegion, pending: Pending, answer: Answer) -> None:
        del state.pending[pending.command.id]
        if pending.queued and pending in state.outbox:
            state.outbox.remove(pending)
        if pending.owner is not None:
            pending.owner.pending -= 1
        self.count -= 1
        self.bytes -= pending.size
        line = pending.line
        if line is not None:
            if line.key[1] != TRIPS and not pending.alone:
                state.said(line.key[1])
            line.leave(pending)
            if line.behind or line.looking:
                self._advance(state, line)
            elif not line.ahead:
                self._end(state, line)
        pending.done(answer)
        while state.ended:
            then = state.after.pop(state.ended.pop(), None)
            if then is not None:
                then()
