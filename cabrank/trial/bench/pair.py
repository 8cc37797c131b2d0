"""One rider and one driver that drive trips one after the other. Pure: frames in,
frames out; time is handed in. Knows nothing of sockets.

A trip: request → accept → begin → complete. A step is done when its answer has come
and both sides were shown its event; the driver accepts as soon as the feed shows it.
"""

from collections.abc import Callable

from cabrank.trial.load.frames import command, read_frame, read_refused, read_trip_ref
from schemas.trips import User

RIDER, DRIVER = 0, 1
STEPS = ("trip.request", "trip.accept", "trip.begin", "trip.complete")
EVENTS = ("trip.requested", "trip.started", "trip.in_progress", "trip.completed")
ASKED_BY = (RIDER, DRIVER, DRIVER, DRIVER)
ADDRESSES: dict[str, object] = {
    "pick_up_address": "14 Main Street",
    "drop_off_address": "2 Station Road",
}

Send = Callable[[int, bytes], None]
"""Side and text message."""


class Pair:
    """`done` gets the trip's id when it has ended; `trouble` a sentence."""

    __slots__ = (
        "_asked_at",
        "_refs",
        "_rider",
        "_send",
        "_step",
        "_trip",
        "_waiting",
        "done",
        "latencies",
        "trouble",
    )

    def __init__(
        self,
        rider: User,
        send: Send,
        done: Callable[["Pair", str], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._rider = rider.id.encode()
        self._send = send
        self.done = done
        self.trouble = trouble
        self.latencies: tuple[list[float], ...] = ([], [], [], [])
        self._asked_at = [0.0, 0.0, 0.0, 0.0]
        self._refs = 0
        self._step = 0
        self._trip = ""
        self._waiting: set[tuple[int, str]] = set()

    @property
    def idle(self) -> bool:
        return not self._waiting

    def start(self, now_s: float) -> None:
        """Request the next trip; the one before has ended."""
        self._trip = ""
        self._ask(0, now_s)

    def concerns_driver(self, message: bytes) -> bool:
        """Whether a frame on the driver's socket may be about this pair's trip: all
        drivers are shown all requests, so the foreign ones go unread.
        """
        return self._rider in message or b'"refused"' in message

    def read(self, side: int, message: bytes, now_s: float) -> None:
        frame = read_frame(message)
        kind = frame.type
        if kind == "reply":
            step = int(frame.ref or "0") % len(STEPS)
            self.latencies[step].append(now_s - self._asked_at[step])
            self._came(side, f"reply {step}", now_s)
        elif kind == "refused":
            refused = read_refused(frame.data)
            self.trouble(f"{refused.code.value}: {refused.message}")
        elif kind in EVENTS:
            trip = read_trip_ref(frame.data).id
            if side == DRIVER and kind == EVENTS[0]:
                self._trip = trip
                self._waiting.discard((DRIVER, kind))
                self._ask(1, now_s)
            elif trip == self._trip or kind == EVENTS[0]:
                self._came(side, kind, now_s)
            else:
                self.trouble(f"{kind} of trip {trip} during trip {self._trip}")

    def _ask(self, step: int, now_s: float) -> None:
        self._step = step
        side = ASKED_BY[step]
        self._waiting |= {
            (side, f"reply {step}"),
            (RIDER, EVENTS[step]),
            (DRIVER, EVENTS[step]),
        }
        self._refs += len(STEPS)
        self._asked_at[step] = now_s
        data: dict[str, object] = {"id": self._trip} if step else ADDRESSES
        self._send(side, command(STEPS[step], str(self._refs + step), data))

    def _came(self, side: int, what: str, now_s: float) -> None:
        if (side, what) not in self._waiting:
            self.trouble(f"{what} came unasked to side {side}, trip {self._trip}")
            return
        self._waiting.discard((side, what))
        if self._waiting:
            return
        if self._step < len(STEPS) - 1:
            self._ask(self._step + 1, now_s)
        else:
            self.done(self, self._trip)
