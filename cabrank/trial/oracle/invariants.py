"""The invariants of PROTOCOL.md section 1 and 2, checked from what clients saw.

Pure: observations in, violations out. Knows the contract only; the dispatcher's own
tables are not used, so that a mistake there shows here.
"""

from collections.abc import Mapping

from msgspec import Struct

from cabrank.trial.oracle import shown
from cabrank.trial.oracle.hunts import Told
from cabrank.trial.oracle.shown import Fact, Seen
from schemas.accounts import AuditRow
from schemas.codec import decode
from schemas.trips import DRIVING, TERMINAL, Status, Trip

MOVES: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset(
        {Status.SCHEDULED, Status.REQUESTED, Status.CANCELLED, Status.EXPIRED}
    ),
    Status.REQUESTED: frozenset({Status.STARTED, Status.CANCELLED, Status.EXPIRED}),
    Status.STARTED: frozenset(
        {Status.ARRIVED, Status.IN_PROGRESS, Status.REQUESTED, Status.CANCELLED}
    ),
    Status.ARRIVED: frozenset({Status.IN_PROGRESS, Status.REQUESTED, Status.CANCELLED}),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED}),
}
"""PROTOCOL.md section 1, the column "next"."""
VIOLATIONS_MAX = 200
"""More than anybody reads; the rest is only counted."""
EVERYTHING = 1 << 62
_IDLE = TERMINAL | {Status.SCHEDULED}


class Violation(Struct, frozen=True):
    rule: str
    message: str


class _Session(Struct):
    user: str
    cursor: int
    last_seq: int = -1
    promised: dict[str, int] = {}
    """Versions that `welcome.trips` named and the missed events must lead up to."""


class Checker:
    """Feed it every frame in the order in which its user received it.

    Sessions are any hashable names; a user has one at a time.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.violation_count = 0
        self._facts: dict[str, dict[int, Fact]] = {}
        self._sessions: dict[str, _Session] = {}
        self._seen: dict[str, Seen] = {}
        self._in_history: set[str] = set()
        self.told: Mapping[int, Told] | None = None
        """What all drivers are told of, as a ledger has it; None: of all trips."""
        self.may_match = False
        """Trips with a pick-up may be: of them nobody knows here who is told."""

    def violate(self, rule: str, message: str) -> None:
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(rule, message))

    # ---- what clients receive ------------------------------------------------

    def welcome(
        self,
        user: str,
        session: str,
        seq: int,
        trips: list[Trip],
        *,
        recovered: bool,
        drives: bool = False,
    ) -> None:
        """A session starts. Where `recovered`, the missed events follow, up to `seq`;
        else `trips` is all there is. Who `drives` gets a list of what is open.
        """
        seen = self._seen.setdefault(user, Seen())
        if drives and not seen.rested:
            seen.listed_to = max(seq, seen.listed_to or 0)
        state = _Session(user, seq)
        self._sessions[session] = state
        active = [trip.id for trip in trips if trip.status is not Status.SCHEDULED]
        if len(active) > 1:
            ids = ", ".join(active)
            self.violate("one active trip", f"user {user} was welcomed with {ids}")
        for trip in trips:
            self._learn(trip)
        if recovered:
            state.promised = {trip.id: trip.version for trip in trips}
            return
        seen.complete_to = max(seen.complete_to, seq)
        seen.versions = {trip.id: trip.version for trip in trips}
        for trip in trips:
            self._tell(seen, trip)

    def rests(self, user: str) -> None:
        """A driver is about to go offline, or was sent there; from now on nobody knows
        what they hear.
        """
        seen = self._seen.setdefault(user, Seen())
        seen.rested, seen.listed_to = True, None

    def feed(self, session: str, seq: int, kind: str, trip: str) -> None:
        """`trip.requested` or `trip.taken` of a trip that isn't the user's."""
        state = self._sessions[session]
        self._number(state, seq, f"{kind} of trip {trip}")
        self._seen[state.user].feed.append(seq)

    def offer(self, session: str, seq: int, what: str) -> None:
        """`trip.offered` or `trip.offer_ended`, or `driver.state`."""
        self._number(self._sessions[session], seq, what)

    def event(self, session: str, seq: int, kind: str, trip: Trip) -> None:
        """A participant's frame."""
        state = self._sessions[session]
        what = f"{kind} of trip {trip.id} version {trip.version}"
        self._number(state, seq, what)
        self._kept_promise(state, seq)
        self._learn(trip, seq)
        seen = self._seen[state.user]
        before = seen.versions.get(trip.id)
        if before is not None and trip.version != before + 1:
            self.violate(
                "versions without a gap",
                f"user {state.user}, session {session}: {what} came after {before}",
            )
        if kind not in _kinds_of(trip):
            self.violate("event type", f"{what} shows status {trip.status.value}")
        seen.versions[trip.id] = trip.version
        seen.shown.setdefault(trip.id, set()).add(trip.version)
        if kind == "trip.released" and state.user != trip.rider.id:
            del seen.versions[trip.id]

    def snapshot(self, session: str, trip: Trip) -> None:
        """`trip.snapshot`: it may skip versions, never go back."""
        state = self._sessions[session]
        seen = self._seen[state.user]
        self._learn(trip)
        if trip.version < seen.versions.get(trip.id, 0):
            self.violate(
                "versions without a gap",
                f"user {state.user}: snapshot of trip {trip.id} goes back to version "
                f"{trip.version} from {seen.versions[trip.id]}",
            )
        seen.versions[trip.id] = trip.version
        self._tell(seen, trip)

    def answer(self, user: str, command: str, trip: Trip) -> None:
        """A transition was answered with `trip`."""
        self._learn(trip)
        if command == "trip.accept" and (trip.driver is None or trip.driver.id != user):
            self.violate(
                "one driver",
                f"driver {user} was told that trip {trip.id} is theirs, it names "
                f"{trip.driver and trip.driver.id}",
            )

    def stored(self, trip: Trip, seq: int) -> None:
        """A version that somebody knows of who was told by nobody."""
        self._learn(trip, seq)

    def _number(self, state: _Session, seq: int, what: str) -> None:
        if seq == state.last_seq:
            self.violate(
                "an event once", f"user {state.user} got seq {seq} twice: {what}"
            )
        elif seq < state.last_seq:
            self.violate(
                "seq only grows",
                f"user {state.user} got {seq} after {state.last_seq}: {what}",
            )
        state.last_seq = max(seq, state.last_seq)

    def _kept_promise(self, state: _Session, seq: int) -> None:
        """The first event past the cursor ends the missed ones."""
        if seq <= state.cursor or not state.promised:
            return
        promised, state.promised = state.promised, {}
        seen = self._seen[state.user]
        versions = seen.versions
        for trip, version in promised.items():
            # A driver who has given it back since counts no versions of it.
            if max((versions.get(trip, -1), *seen.shown.get(trip, ()))) < version:
                self.violate(
                    "missed events are complete",
                    f"user {state.user} was welcomed with trip {trip} version "
                    f"{version}, the missed events led to {versions.get(trip)}",
                )

    def _learn(self, trip: Trip, seq: int | None = None) -> None:
        """Every sight of one version must be the same."""
        versions = self._facts.setdefault(trip.id, {})
        fact = versions.get(trip.version)
        if fact is None:
            versions[trip.version] = Fact(trip, seq)
            return
        if fact.trip != trip:
            self.violate(
                "one truth",
                f"trip {trip.id} version {trip.version} was seen as {fact.trip} "
                f"and as {trip}",
            )
        if seq is not None:
            if fact.seq is not None and fact.seq != seq:
                self.violate(
                    "one truth",
                    f"trip {trip.id} version {trip.version} has seq {fact.seq} and "
                    f"{seq}",
                )
            fact.seq = seq

    @staticmethod
    def _tell(seen: Seen, trip: Trip) -> None:
        seen.told_to[trip.id] = max(trip.version, seen.told_to.get(trip.id, 0))

    # ---- what the database says ----------------------------------------------

    def history_lags(self, trip: Trip, rows: list[AuditRow]) -> bool:
        """Whether history has yet to catch up with what clients saw of this trip."""
        newest = max(self._facts.get(trip.id, {0: None}))
        return trip.version < newest or len(rows) < newest

    def history(self, trip: Trip, rows: list[AuditRow]) -> None:
        """`GET /api/trips/{id}` and its audit rows, once they have caught up."""
        self._in_history.add(trip.id)
        found = [row.version for row in rows]
        if found != list(range(1, len(rows) + 1)):
            self.violate(
                "audit rows without a gap", f"trip {trip.id} has versions {found}"
            )
        numbers = [row.seq for row in rows]
        if numbers != sorted(set(numbers)):
            self.violate("audit rows grow", f"trip {trip.id} has seqs {numbers}")
        for row in rows:
            then = decode(row.data, Trip)
            if row.type not in _kinds_of(then):
                self.violate(
                    "event type",
                    f"audit row {row.seq} of trip {trip.id} is {row.type} with "
                    f"status {then.status.value}",
                )
            self._learn(then, row.seq)
        self._learn(trip)
        for version in self._facts[trip.id]:
            if version not in found:
                self.violate(
                    "history equals answers",
                    f"trip {trip.id} version {version} was seen by a client, the "
                    f"audit rows have {found}",
                )

    # ---- the end -------------------------------------------------------------

    def trips(self) -> list[str]:
        """Ids of all trips that anybody took part in."""
        return list(self._facts)

    def placed(self) -> list[str]:
        """Trips with a pick-up: only such are matched."""
        return [
            trip
            for trip, versions in self._facts.items()
            if next(iter(versions.values())).trip.pick_up is not None
        ]

    def rider_of(self, trip: str) -> str:
        return next(iter(self._facts[trip].values())).trip.rider.id

    def unseen(self) -> list[str]:
        """What anybody was answered or shown, or an audit row says, and one whom it
        concerns was not shown, as sentences.
        """
        return [
            *shown.unseen(self._facts, self._seen),
            *shown.unfed(self._all_told(), self._seen),
        ]

    def _all_told(self) -> Mapping[int, Told]:
        if self.told is not None:
            return self.told
        told = shown.all_told(self._facts)
        unsure = set(self.placed()) if self.may_match else set()
        return {seq: one for seq, one in told.items() if one.trip not in unsure}

    def finish(self, *, history_expected: bool = True) -> list[Violation]:
        """All violations, those included that only the whole shows."""
        for state in self._sessions.values():
            self._kept_nothing_back(state)
        for sentence in self.unseen():
            self.violate("all is shown", sentence)
        if self.told is not None:
            for sentence in shown.overheard(self.told, self._seen):
                self.violate("drivers hear what is theirs", sentence)
        for trip_id, versions in self._facts.items():
            self._check_moves(trip_id, versions)
            if history_expected and trip_id not in self._in_history:
                self.violate("history equals answers", f"trip {trip_id} is not in it")
        self._check_one_active()
        return self.violations

    def _kept_nothing_back(self, state: _Session) -> None:
        """A session that got as far as its cursor has had all missed events."""
        if state.last_seq >= state.cursor:
            self._kept_promise(state, EVERYTHING)

    def _check_moves(self, trip_id: str, versions: dict[int, Fact]) -> None:
        for version in sorted(versions):
            now = versions[version].trip
            if (now.driver is not None) != (now.status in DRIVING) and (
                now.status not in {Status.CANCELLED, Status.COMPLETED}
            ):
                self.violate(
                    "one driver", f"trip {trip_id} is {now.status} with {now.driver}"
                )
            if version - 1 not in versions:
                continue
            then = versions[version - 1].trip
            if now.status not in MOVES.get(then.status, frozenset()):
                self.violate(
                    "legal moves",
                    f"trip {trip_id} went from {then.status.value} (version "
                    f"{version - 1}) to {now.status.value}",
                )
            if then.driver and now.driver and then.driver.id != now.driver.id:
                self.violate(
                    "one driver",
                    f"trip {trip_id} passed from driver {then.driver.id} to "
                    f"{now.driver.id} at version {version}",
                )
            if then.rider.id != now.rider.id:
                self.violate("one rider", f"trip {trip_id} changed its rider")

    def _check_one_active(self) -> None:
        """Walk all trips that are known from their first version, by seq."""
        walk: list[tuple[int, Trip]] = []
        for versions in self._facts.values():
            if sorted(versions) != list(range(1, len(versions) + 1)):
                continue
            known = [fact for fact in versions.values() if fact.seq is not None]
            if len(known) == len(versions):
                walk += [(fact.seq or 0, fact.trip) for fact in known]
        active: dict[str, set[str]] = {}
        for seq, trip in sorted(walk, key=lambda step: step[0]):
            for trips in (active.get(user) for user in self._users_of(trip.id)):
                if trips is not None:
                    trips.discard(trip.id)
            if trip.status in _IDLE:
                continue
            for user in trip.participants():
                trips = active.setdefault(user, set())
                trips.add(trip.id)
                if len(trips) > 1:
                    both = ", ".join(sorted(trips))
                    self.violate(
                        "one active trip", f"user {user} had {both} at seq {seq}"
                    )

    def _users_of(self, trip_id: str) -> set[str]:
        users: set[str] = set()
        for fact in self._facts[trip_id].values():
            users |= set(fact.trip.participants())
        return users


def _kinds_of(trip: Trip) -> set[str]:
    """The event types that lead to this status; which one that opened a booked trip,
    the ledger says (cabrank/trial/oracle/booked.py).
    """
    if trip.status is not Status.REQUESTED:
        return {f"trip.{trip.status.value.lower()}"}
    if trip.version == 1:
        return {"trip.requested"}
    is_booked = trip.pick_up_at is not None
    return {"trip.released", "trip.requested"} if is_booked else {"trip.released"}
