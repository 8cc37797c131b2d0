"""Whose frames are taken when: sockets that bring more than a little take turns.

A loop's turn takes so much from all sockets, and from each that waits a quantum, so
that one who sends without end costs others a turn's length and no more: deficit round
robin (Shreedhar and Varghese, 1995). Who brings a frame now and then doesn't queue.

Pure: the loop's `call_soon` comes in.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

FRAME_COST = 1024
"""What a frame counts beside its bytes: a refused one takes 12 us, a ping 20, as long
as a KiB of JSON (2026-11-29)."""
READ_BYTES_MIN = 2 * 1024
"""What HTTP reads of one socket where this turn has taken enough from all: it waits, so
it is little; most requests are less."""
READ_COST = 1024
PIECE_COST = 512
"""What a read of HTTP, and each call of its parser, count beside the bytes (10 to 20
us)."""
QUANTUM = 4 * 1024
"""Of one socket in one turn: some 4 small frames, or one of any size."""
TURN_NEW = 64 * 1024
"""Of all sockets as they bring it: about 1 ms of refusals. What goes beyond waits."""
TURN_SURE = TURN_NEW // 2
"""A turn that took less leaves the rest to the next one, which then needs no beginning
of its own: a position that comes alone needs none."""
TURN_SINGLE = 512 * 1024
"""The same with single frames of who has logged in: some 450. A room that all write to
at once is one turn's work; in turns of 56 frames it took the gateway twice the CPU, for
every member is written to after each. What one user makes of it, the limits of users
and of their connections bound."""
SINGLE_FLOOR = TURN_NEW - TURN_SINGLE
"""Such frames are taken at once as long as more than this is `left`."""
TURN_OLD = 32 * 1024
"""Of all sockets that wait: half as much. Others' frames come in and their answers go
out between two turns, so each pays for two or three of them."""


class Served(Protocol):
    """`credit`: what it may yet take in its turn; below 0 where it took more."""

    credit: int

    def serve(self, credit: int) -> tuple[int, bool]:
        """Take frames worth `credit`.

        Returns:
            What is left of it, below 0 where the last frame was large; and whether
            more waits.
        """


class Turns:
    __slots__ = ("_asked", "_call_soon", "_waiting", "left")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._waiting: deque[Served] = deque()
        self._asked = False
        self.left = TURN_NEW
        """Of this turn, for what sockets bring."""

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < TURN_SURE and not self._asked:
            self._ask()

    def wait(self, one: Served, *, is_first: bool = False) -> None:
        """Serve it from the next turn on, until nothing of it waits. `is_first`: before
        those that wait already, for it has had nothing yet.
        """
        if is_first:
            self._waiting.appendleft(one)
        else:
            self._waiting.append(one)
        if not self._asked:
            self._ask()

    def _ask(self) -> None:
        self._asked = True
        self._call_soon(self.turn)

    def turn(self) -> None:
        """Begin the next one."""
        self._asked = False
        self.left, old = TURN_NEW, TURN_OLD
        waiting = self._waiting
        for _ in range(len(waiting)):
            if old <= 0:
                break
            one = waiting.popleft()
            credit = min(one.credit + QUANTUM, QUANTUM)
            more = True
            if credit > 0:
                left, more = one.serve(credit)
                old -= credit - left
                credit = left
            one.credit = credit
            if more:
                waiting.append(one)
        if waiting and not self._asked:
            self._ask()
