"""Which sessions of which gateways are in which room: the leader's own memory.

Pure; instants are monotonic milliseconds and come in as arguments. Not of the ledger
and in no snapshot: a new leader learns it from the gateways, each of which says all
within `PRESENCE_SILENCE_MS` of the take-over. Who is a member is
dispatcher/engine/rooms.py's; where the two differ, `changed` says so, and the engine
makes events of it.
"""

import heapq
from collections import OrderedDict
from collections.abc import Collection, Iterable

from dispatcher.engine.churn import Churn
from schemas.commands import AnyCommand, EndSession, JoinRoom, LeaveRoom
from schemas.rooms import PRESENCE_SILENCE_MS, Presence, canonical
from schemas.trips import Person

Seat = tuple[str, str]
"""(room, user): what a session takes."""

REMEMBER_TURNS = 60
"""Sweeps, so seconds: commands come at most 10 s late."""
ANNOUNCED_TURNS = 2
"""A join that is younger may not yet be in what its gateway announces."""
LATE_MS = 2_000
"""A sweep so long after the last one tells of this process's silence, not theirs."""


class _Session:
    __slots__ = ("gateway", "rooms", "user")

    def __init__(self, gateway: str, user: Person) -> None:
        self.gateway = gateway
        self.user = user
        self.rooms: dict[str, int] = {}
        """Room → the turn in which the session joined."""


class _Telling:
    """Who is where, of which so many parts came; it began in that turn."""

    __slots__ = ("listed", "parts", "turn")

    def __init__(self, turn: int, listed: set[tuple[str, str]]) -> None:
        self.turn = turn
        self.listed = listed
        self.parts = 0


class _Gateway:
    __slots__ = ("heard_ms", "sessions", "silent", "telling")

    def __init__(self) -> None:
        self.heard_ms: int | None = None
        """None: since the last sweep."""
        self.sessions: dict[str, _Session] = {}
        self.silent = False
        """Its sessions don't count; but they do again if it was only held up."""
        self.telling: _Telling | None = None


class Attending:
    __slots__ = (
        "_asked",
        "_churn",
        "_doubtful",
        "_ended",
        "_gateways",
        "_later",
        "_leaving",
        "_seats",
        "_sessions",
        "_settled_ms",
        "_swept_ms",
        "_taken",
        "_turn",
        "_turns",
        "changed",
        "ready",
    )

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}
        self._sessions: dict[str, _Session] = {}
        self._taken: dict[Seat, int] = {}
        """How many live sessions of a user are in a room."""
        self._seats: dict[str, int] = {}
        """The same of a user in all rooms."""
        self.changed: dict[Seat, Person] = {}
        """Seats to be compared with the room's members, the oldest change first."""
        self.ready: dict[Seat, Person] = {}
        """Those of them that differed: due to come or go."""
        self._later: list[tuple[int, int, Seat, Person]] = []
        """Who leaves in a moment: a heap by when, then in the order they came."""
        self._leaving: dict[str, set[str]] = {}
        """The same by room."""
        self._churn = Churn()
        self._doubtful: dict[Seat, Person] = {}
        """Members from before this lead, until all gateways had time to speak."""
        self._settled_ms: int | None = None
        self._asked: OrderedDict[str, int] = OrderedDict()
        """Joins and leaves done → turn: a late retry must not do it again."""
        self._ended: OrderedDict[str, int] = OrderedDict()
        """Sessions that are over → turn: a late join must not bring one back."""
        self._swept_ms: int | None = None
        self._turn = 0
        self._turns = 0
        """Given to those in `_later`."""

    def begin(self, now_ms: int, members: Iterable[tuple[str, Person]]) -> None:
        """A lead begins with these members; whose sessions, the gateways will say."""
        self._doubtful = {(room, user.id): user for room, user in members}
        self._settled_ms = now_ms + PRESENCE_SILENCE_MS

    # ---- questions -----------------------------------------------------------

    @property
    def gateways(self) -> int:
        return sum(not gateway.silent for gateway in self._gateways.values())

    def is_here(self, seat: Seat) -> bool:
        return seat in self._taken

    def is_doubtful(self, seat: Seat) -> bool:
        return seat in self._doubtful

    def may_join(self, command: str, session: str) -> bool:
        """Whether that join is new, and of a session that isn't over."""
        return command not in self._asked and session not in self._ended

    def rooms_of(self, session: str) -> Collection[str]:
        known = self._sessions.get(session)
        return () if known is None else known.rooms

    def seats_of(self, user: str) -> int:
        """How many places in rooms all live sessions of a user have."""
        return self._seats.get(user, 0)

    def leaving(self, room: str) -> set[str]:
        """Users who are members by the ledger alone: their leaving is told later."""
        users = self._leaving.get(room)
        if not users:
            return set()
        return {user for user in users if (room, user) not in self._taken}

    # ---- whose turn it is ----------------------------------------------------

    def leave_later(self, seat: Seat, user: Person, members: int, now_ms: int) -> None:
        """They left a room of so many members: ready now, or when it is their turn."""
        room = seat[0]
        if user.id in self._leaving.get(room, ()):
            return
        due_ms = self._churn.due_ms(seat, members, now_ms)
        if due_ms <= now_ms:
            self.ready[seat] = user
            return
        self._leaving.setdefault(room, set()).add(user.id)
        self._turns += 1
        heapq.heappush(self._later, (due_ms, self._turns, seat, user))

    def recall(self, now_ms: int) -> None:
        """Make those ready whose turn has come; they may be back."""
        while self._later and self._later[0][0] <= now_ms:
            _, _, seat, user = heapq.heappop(self._later)
            self.ready[seat] = user
            users = self._leaving[seat[0]]
            users.discard(user.id)
            if not users:
                del self._leaving[seat[0]]

    @property
    def is_settled(self) -> bool:
        """Nobody's turn comes by itself."""
        return not (self.changed or self.ready or self._later)

    def settled(self, seat: Seat) -> None:
        """An event of that seat was made."""
        self.changed.pop(seat, None)
        self.ready.pop(seat, None)

    # ---- commands that were decided ------------------------------------------

    def attend(self, command: AnyCommand) -> None:
        if isinstance(command, JoinRoom):
            self.join(
                command.id,
                command.gateway,
                command.session,
                command.by.person(),
                canonical(command.room),
            )
        elif isinstance(command, LeaveRoom):
            room = canonical(command.room)
            self.leave(command.id, command.session, command.by.id, room)
        elif isinstance(command, EndSession):
            self.end(command.session, command.by.id)

    def join(
        self, command: str, gateway: str, session: str, user: Person, room: str
    ) -> None:
        self._asked[command] = self._turn
        self._sit(gateway, session, user, room)

    def leave(self, command: str, session: str, user: str, room: str) -> None:
        known = self._sessions.get(session)
        is_theirs = known is not None and known.user.id == user
        if is_theirs and command not in self._asked:
            self._asked[command] = self._turn
            self._leave(session, room)

    def _leave(self, session: str, room: str) -> None:
        known = self._sessions.get(session)
        if known is not None and known.rooms.pop(room, None) is not None:
            self._rise(known, room)

    def end(self, session: str, user: str) -> None:
        known = self._sessions.get(session)
        if known is None or known.user.id == user:
            self._ended[session] = self._turn
            self._drop(session)

    # ---- what gateways and the clock say --------------------------------------

    def hear(self, news: Presence, now_ms: int) -> None:
        gateway = self._awake(news.gateway)
        gateway.heard_ms = now_ms
        if news.full:
            gateway.telling = None
            self._replace(gateway, news)
        elif news.part:
            self._hear_part(gateway, news)

    def _awake(self, name: str) -> _Gateway:
        gateway = self._gateways.get(name)
        if gateway is None:
            gateway = self._gateways[name] = _Gateway()
        elif gateway.silent:
            gateway.silent = False
            gateway.heard_ms = None
            for session in gateway.sessions.values():
                for room in session.rooms:
                    self._count(session, room)
        return gateway

    def _replace(self, gateway: _Gateway, news: Presence) -> None:
        listed = {(entry.session, entry.room) for entry in news.here}
        self._forget_others(gateway, _Telling(self._turn, listed))
        for entry in news.here:
            if entry.session not in self._ended:
                self._sit(news.gateway, entry.session, entry.user, entry.room)

    def _hear_part(self, gateway: _Gateway, news: Presence) -> None:
        """Who is named is there at once; who is named in no part, gone with the last
        one. Where a part was lost, nobody is taken for gone.
        """
        if news.part == 1:
            gateway.telling = _Telling(self._turn, set())
        telling = gateway.telling
        if telling is None or news.part != telling.parts + 1:
            gateway.telling = None
            return
        telling.parts += 1
        for seated in news.seated:
            for room in seated.rooms:
                telling.listed.add((seated.session, room))
                if seated.session not in self._ended:
                    self._sit(news.gateway, seated.session, seated.user, room)
        if news.is_last:
            gateway.telling = None
            self._forget_others(gateway, telling)

    def _forget_others(self, gateway: _Gateway, told: "_Telling") -> None:
        fresh = told.turn - ANNOUNCED_TURNS
        for name, session in list(gateway.sessions.items()):
            for room, turn in list(session.rooms.items()):
                if (name, room) not in told.listed and turn <= fresh:
                    self._leave(name, room)
            if not session.rooms:
                self._drop(name)

    def sweep(self, now_ms: int) -> None:
        """To be called every second while there is a connection to NATS."""
        self._turn += 1
        for memory in (self._asked, self._ended):
            while memory and self._turn - next(iter(memory.values())) > REMEMBER_TURNS:
                memory.popitem(last=False)
        swept_ms, self._swept_ms = self._swept_ms, now_ms
        late = swept_ms is not None and now_ms - swept_ms > LATE_MS
        for name, gateway in list(self._gateways.items()):
            if gateway.heard_ms is None or (late and not gateway.silent):
                gateway.heard_ms = now_ms
            silent_ms = now_ms - gateway.heard_ms
            if silent_ms >= PRESENCE_SILENCE_MS and not gateway.silent:
                gateway.silent = True
                for session in gateway.sessions.values():
                    for room in session.rooms:
                        self._uncount(session, room)
            elif silent_ms >= REMEMBER_TURNS * 1000:
                for session_id in list(gateway.sessions):
                    self._drop(session_id)
                del self._gateways[name]
        if late and self._settled_ms is not None:
            self._settled_ms = now_ms + PRESENCE_SILENCE_MS
        if self._settled_ms is not None and now_ms >= self._settled_ms:
            self._settled_ms = None
            for seat, user in self._doubtful.items():
                self.changed.setdefault(seat, user)
            self._doubtful = {}

    # ---- inside --------------------------------------------------------------

    def _sit(self, gateway_id: str, name: str, user: Person, room: str) -> None:
        gateway = self._awake(gateway_id)
        session = self._sessions.get(name)
        if session is None:
            session = _Session(gateway_id, user)
            self._sessions[name] = gateway.sessions[name] = session
        if room not in session.rooms:
            session.rooms[room] = self._turn
            if not self._gateways[session.gateway].silent:
                self._count(session, room)

    def _drop(self, name: str) -> None:
        session = self._sessions.pop(name, None)
        if session is None:
            return
        for room in session.rooms:
            self._rise(session, room)
        del self._gateways[session.gateway].sessions[name]

    def _rise(self, session: _Session, room: str) -> None:
        if not self._gateways[session.gateway].silent:
            self._uncount(session, room)

    def _count(self, session: _Session, room: str) -> None:
        seat = (room, session.user.id)
        self._taken[seat] = self._taken.get(seat, 0) + 1
        self._seats[seat[1]] = self._seats.get(seat[1], 0) + 1
        self.changed[seat] = session.user

    def _uncount(self, session: _Session, room: str) -> None:
        seat = (room, session.user.id)
        if self._seats[seat[1]] > 1:
            self._seats[seat[1]] -= 1
        else:
            del self._seats[seat[1]]
        left = self._taken[seat] - 1
        if left:
            self._taken[seat] = left
        else:
            del self._taken[seat]
            self.changed[seat] = session.user
