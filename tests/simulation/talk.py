"""What a client says and hears in rooms: an open one, and its trips' own."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from cabrank.trial.load import frames
from schemas.rooms import of_trip
from schemas.trips import Trip

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.world import World

LOUNGE = "lounge"
AGAIN_S = 0.2
"""Until what was refused for a while is asked again."""
Then = Callable[[frames.Frame], None]


class Talk:
    """`rooms`: those it is in (True), or is to be in once it is answered."""

    def __init__(self, client: "Client", world: "World", rng: Random) -> None:
        self.rooms: dict[str, bool] = {}
        self._client = client
        self._world = world
        self._rng = rng
        self._checks = world.watch.conversations
        self._said = 0
        self._count = 0
        self._pending: dict[str, Then] = {}
        self._unheard: dict[str, str] = {}
        """Text → room, of what was not answered yet; asked again after a loss."""

    @property
    def is_idle(self) -> bool:
        return not self._pending and not self._unheard

    # ---- connection ------------------------------------------------------------

    def welcomed(self) -> None:
        """A new session is in no room that it doesn't join again."""
        self._checks.lost(self._client.id)
        fickle = self._world.plan.fickle
        for room in list(self.rooms):
            if fickle and self._rng.random() < fickle:
                self._forget(room)
                continue
            self.rooms[room] = False
            self._join(room)
        for text, room in self._unheard.items():
            self._send(room, text)

    def lost(self) -> None:
        self._pending.clear()

    def removed(self, trip: Trip) -> None:
        self._forget(of_trip(trip.id))

    def _forget(self, room: str) -> None:
        self.rooms.pop(room, None)
        self._checks.gone(self._client.id, room)

    # ---- frames in -------------------------------------------------------------

    def takes(self, frame: frames.Frame) -> bool:
        """Whether it was for this: an answer to what it asked, or a room's."""
        if frame.type == "chat.message":
            self._checks.heard(self._client.id, frames.read_message(frame.data))
            return True
        if frame.type.startswith("chat."):
            return True
        then = self._pending.pop(frame.ref or "", None)
        if then is not None:
            then(frame)
        return then is not None

    # ---- what they do ----------------------------------------------------------

    def act(self, trip: Trip | None) -> None:
        """Enter a room, say something there, or leave it."""
        lounge = LOUNGE
        if self._world.plan.rooms > 1:
            lounge = f"{LOUNGE}-{self._rng.randrange(self._world.plan.rooms):057}"
        rooms = [lounge] if trip is None else [lounge, of_trip(trip.id)]
        room = self._rng.choice(rooms)
        if room not in self.rooms:
            self.rooms[room] = False
            self._join(room)
        elif not self.rooms[room]:
            return
        elif self._rng.random() < 0.15:
            self._leave(room)
        else:
            self._said += 1
            text = f"{self._client.id} {self._said}"
            self._checks.asks(text)
            self._unheard[text] = room
            self._send(room, text)

    def _join(self, room: str) -> None:
        me = self._client.id
        since = self._checks.cursor(me, room)
        asked_s = self._world.loop.time()

        def answered(frame: frames.Frame) -> None:
            if frame.type == "reply":
                if room not in self.rooms:
                    return  # it gave the trip back meanwhile
                self.rooms[room] = True
                said = frames.read_joined(frame.data)
                self._checks.joined(
                    *(me, room, since, said.history),
                    recovered=said.recovered,
                    asked_s=asked_s,
                )
            elif frames.read_refused(frame.data).code.is_retryable:
                self._later(frame, lambda: room in self.rooms and self._join(room))
            else:
                self._forget(room)

        data: dict[str, object] = {"room": room}
        if since is not None:
            data["since"] = since
        self._ask("chat.join", data, answered)

    def _send(self, room: str, text: str) -> None:
        def answered(frame: frames.Frame) -> None:
            if frame.type == "reply":
                message = frames.read_message(frame.data)
                self._checks.answered(message, self._world.loop.time())
            elif frames.read_refused(frame.data).code.is_retryable:
                self._later(frame, lambda: self._send(room, text))
                return
            self._unheard.pop(text, None)

        data: dict[str, object] = {"room": room, "text": text, "idempotency_key": text}
        self._ask("chat.send", data, answered)

    def _leave(self, room: str) -> None:
        """Once all that was said until now is heard."""
        me = self._client.id
        due = self._checks.due(room, self._world.loop.time())
        if (self._checks.cursor(me, room) or 0) < due:
            return
        del self.rooms[room]

        self._checks.leaves(me, room, due)
        self._go(room)

    def _go(self, room: str) -> None:
        """A leave that was refused for a while is no leave."""

        def answered(frame: frames.Frame) -> None:
            if frame.type == "refused":
                code = frames.read_refused(frame.data).code
                if code.is_retryable:
                    self._later(frame, lambda: room in self.rooms or self._go(room))

        self._ask("chat.leave", {"room": room}, answered)

    def _ask(self, kind: str, data: dict[str, object], then: Then) -> None:
        self._count += 1
        ref = f"talk/{self._client.session}/{self._count}"
        self._pending[ref] = then
        self._client.send(frames.command(kind, ref, data))

    def _later(self, frame: frames.Frame, again: Callable[[], object]) -> None:
        """Not on another connection: there everything is asked anew."""
        ref = f"{frame.ref} again"
        self._pending[ref] = lambda _: None

        def come() -> None:
            if self._pending.pop(ref, None) is not None:
                again()

        self._world.loop.call_later(AGAIN_S, come)
