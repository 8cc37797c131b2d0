"""How soon it is told that somebody left: at once where little happens in a room.

Who comes and goes all the time, or leaves a very full room, is told of later, and,
where they are back by then, not at all: one account that joined and left made 105,000
frames a second in a room of 150. Who joins is told of at once; nobody can join again
whose leaving wasn't told.
Pure; milliseconds come in, and never fall. The leader's own memory.
"""

SEAT_INTERVAL_MS = 1000.0
SEAT_BURST = 4
"""So often in a row a user may leave a room and be told of at once, then once a second;
what a person does by hand, and any test of a few steps, isn't held up."""
ROOM_DELIVERIES_PER_S = 50_000
"""A tenth of what a gateway's core delivers (docs/BENCHMARKS.md); of a room of 2,000
members that is 25 who leave, each second, after a first second's worth."""
ROOM_BURST_MS = 1000.0
PRUNED_EVERY = 1024


class Churn:
    """By key the instant from which its allowance is whole again: a virtual schedule,
    as ATM's GCRA has it (ITU-T I.371), which takes one number a key.
    """

    __slots__ = ("_count", "_rooms", "_seats")

    def __init__(self) -> None:
        self._seats: dict[tuple[str, str], float] = {}
        self._rooms: dict[str, float] = {}
        self._count = 0

    def due_ms(self, seat: tuple[str, str], members: int, now_ms: int) -> int:
        """When it is to be told that this seat's user left a room of so many members;
        its turn is taken with that.
        """
        self._count += 1
        if self._count % PRUNED_EVERY == 0:
            self._prune(now_ms)
        whole_ms = max(self._seats.get(seat, 0.0), now_ms)
        due_ms = whole_ms - (SEAT_BURST - 1) * SEAT_INTERVAL_MS
        self._seats[seat] = whole_ms + SEAT_INTERVAL_MS
        room = seat[0]
        whole_ms = max(self._rooms.get(room, 0.0), now_ms)
        due_ms = max(due_ms, whole_ms - ROOM_BURST_MS, now_ms)
        self._rooms[room] = whole_ms + members * 1000 / ROOM_DELIVERIES_PER_S
        return int(due_ms)

    def _prune(self, now_ms: int) -> None:
        self._seats = {key: ms for key, ms in self._seats.items() if ms > now_ms}
        self._rooms = {key: ms for key, ms in self._rooms.items() if ms > now_ms}
