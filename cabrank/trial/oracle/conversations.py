"""The invariants of rooms (PROTOCOL.md section 2), checked from what clients saw.

A room's messages are numbered densely from 1, so whoever has joined must hear each, in
that order, over all their connections. Pure: observations in, violations out; times
are monotonic seconds.
"""

from collections.abc import Callable, Sequence

from schemas.rooms import MessageData


class Conversations:
    """Feed it all that clients say and hear in rooms that nobody else knows of. A user
    has one session at a time. `violate(rule, message)` gets what is wrong.
    """

    def __init__(self, violate: Callable[[str, str], None]) -> None:
        self._violate = violate
        self._facts: dict[str, dict[int, MessageData]] = {}
        self._numbers: dict[str, tuple[str, int]] = {}
        """Where a text, of which there are no two alike, was found."""
        self._asked: set[str] = set()
        self._answered: dict[str, list[tuple[float, int]]] = {}
        """By room: when a message was answered, and its number."""
        self._heard: dict[tuple[str, str], int | None] = {}
        """By user and room, of those that are in it now: the last message they heard;
        None: there may have been others before they came."""
        self._cursors: dict[tuple[str, str], int] = {}
        """The same, also of those that are to come back."""
        self._read: set[str] = set()

    # ---- what clients do and see ---------------------------------------------

    def asks(self, text: str) -> None:
        """Somebody is about to say it."""
        self._asked.add(text)

    def answered(self, message: MessageData, now_s: float) -> None:
        self._learn(message)
        self._answered.setdefault(message.room, []).append((now_s, message.seq))

    def stored(self, message: MessageData) -> None:
        """One that is in the ledger, told to whomever."""
        self._learn(message)

    def joined(
        self,
        user: str,
        room: str,
        since: int | None,
        history: Sequence[MessageData],
        *,
        recovered: bool,
        asked_s: float,
    ) -> None:
        """A join since that message, asked at that time, was answered."""
        who = f"{user} in {room}"
        last = since if recovered else None
        for message in history:
            self._learn(message)
            self._follows(who, last, message.seq)
            last = message.seq
        due = self.due(room, asked_s)
        if due > (last or 0):
            self._violate(
                "answered is heard",
                f"{who} was answered with messages up to {last}, {due} was said before",
            )
        self._notes(user, room, last)

    def heard(self, user: str, message: MessageData) -> None:
        """A `chat.message`; those of rooms they have not joined themselves say less."""
        self._learn(message)
        place = (user, message.room)
        if place in self._heard:
            who = f"{user} in {message.room}"
            self._follows(who, self._heard[place], message.seq)
            self._notes(user, message.room, message.seq)

    def leaves(self, user: str, room: str, due: int) -> None:
        """They waited for message number `due` in vain, or heard it, and ask to leave.
        What they hear from now on says less: once they have left, they may come in
        again by their trip, and then hear it from the beginning.
        """
        last = self._heard.get((user, room), due) or 0
        self.gone(user, room)
        if due > last:
            self._violate(
                "answered is heard",
                f"{user} left {room} having heard {last}, {due} was said long before",
            )

    def lost(self, user: str) -> None:
        """The connection, and with it all rooms until they are joined again."""
        for place in [place for place in self._heard if place[0] == user]:
            del self._heard[place]

    def gone(self, user: str, room: str) -> None:
        """They are not to come back to it."""
        self._heard.pop((user, room), None)
        self._cursors.pop((user, room), None)

    def cursor(self, user: str, room: str) -> int | None:
        """What to join with since; None: nothing."""
        return self._cursors.get((user, room))

    def due(self, room: str, before_s: float) -> int:
        """Number of the last message answered before then; 0: there is none."""
        answers = self._answered.get(room, ())
        return max((number for at_s, number in answers if at_s < before_s), default=0)

    # ---- the end -------------------------------------------------------------

    def rooms(self) -> list[str]:
        """All of which anything is known."""
        return list(self._facts)

    def speaker(self, room: str) -> str:
        """Id of somebody who may read it."""
        return next(iter(self._facts[room].values())).sender.id

    def lags(self, room: str, rows: Sequence[MessageData]) -> bool:
        """Whether the database has yet to catch up with what clients saw."""
        return len(rows) < max(self._facts[room])

    def history(self, room: str, rows: Sequence[MessageData]) -> None:
        """All messages of a room as the database has them, oldest first, once it has
        caught up.
        """
        numbers = [row.seq for row in rows]
        if numbers != list(range(1, len(rows) + 1)):
            self._violate("rows without a gap", f"{room} has messages {numbers}")
        for row in rows:
            self._learn(row)
        self._read.add(room)
        if missing := self._facts[room].keys() - set(numbers):
            self._violate(
                "history equals answers",
                f"{room}: messages {sorted(missing)} were seen and have no row",
            )

    def unheard(self) -> list[str]:
        """What those who are in a room have not been told of, as sentences."""
        behind = []
        for (user, room), last in self._heard.items():
            newest = max(self._facts.get(room, {0: None}))
            if newest > (last or 0):
                behind.append(f"{user} in {room} heard {last}, not {newest}")
        return behind

    def finish(self) -> None:
        for sentence in self.unheard():
            self._violate("answered is heard", sentence)
        for room in self._facts.keys() - self._read:
            self._violate("history equals answers", f"the messages of {room} are not")

    # ---- inside --------------------------------------------------------------

    def _notes(self, user: str, room: str, last: int | None) -> None:
        self._heard[user, room] = last
        if last is not None:
            self._cursors[user, room] = last

    def _follows(self, who: str, last: int | None, number: int) -> None:
        if last is not None and number != last + 1:
            self._violate(
                "messages once and in order", f"{who} heard {number} after {last}"
            )

    def _learn(self, message: MessageData) -> None:
        """Every sight of one message must be the same, and no text be said twice."""
        known = self._facts.setdefault(message.room, {})
        place = (message.room, message.seq)
        if known.setdefault(message.seq, message) != message:
            self._violate(
                "one truth",
                f"message {place} was seen as {known[message.seq]} and as {message}",
            )
        if message.text not in self._asked:
            self._violate("nobody said it", f"message {place} is {message.text!r}")
        if self._numbers.setdefault(message.text, place) != place:
            first = self._numbers[message.text]
            self._violate("a message once", f"{message.text!r} is {first} and {place}")
