"""What one HTTP connection counts as: of an address, of a user, and in bytes.

Pure. What happens to a connection that is one too many is
gateway/sockets/httpserver.py's to carry out.
"""

from gateway.limits import Limits
from gateway.sockets.shares import Shares

SURPLUS_MAX = 64
"""Connections over an address's limit that may stay until they have heard of it."""


class Held:
    """What all HTTP connections of a gateway hold.

    `bytes`: of requests that have yet to arrive or to be answered, and of answers yet
    to be taken.
    """

    __slots__ = ("bytes", "connections", "surplus", "users")

    def __init__(self, limits: Limits) -> None:
        self.connections = Shares(limits.connections_per_address_max)
        self.surplus = Shares(SURPLUS_MAX)
        self.users = Shares(limits.connections_per_user_max)
        self.bytes = Shares(limits.http_bytes_per_address_max, limits.http_bytes_max)


class Holding:
    """`place`: the address whose connection it is; empty: nobody's yet, or one too
    many.
    """

    __slots__ = ("_all", "_bytes", "_surplus", "_user", "place")

    def __init__(self, held: Held) -> None:
        self._all = held
        self.place = ""
        self._surplus = ""
        self._user: str | None = None
        self._bytes = 0

    def settle_at(self, place: str) -> bool:
        """Count it as `place`'s; False: it is one too many."""
        if place == self.place:
            return True
        self.leave_place()
        if not self._all.connections.take(place):
            return False
        self.place = place
        return True

    def settle_or_stay(self, place: str) -> bool:
        """As `settle_at`; False: one too many, and too many wait to hear so."""
        if self.settle_at(place):
            return True
        if not self._all.surplus.take(place):
            return False
        self._surplus = place
        return True

    def leave_place(self) -> None:
        self.release()
        if self.place:
            self._all.connections.give_back(self.place)
            self.place = ""

    def belongs(self, user: str | None) -> bool:
        """Count it as `user`'s, who has just used it; False: one too many. None: who
        uses it isn't known, nothing changes.
        """
        if user is None or user == self._user:
            return True
        if not self._all.users.take(user):
            return False
        if self._user is not None:
            self._all.users.give_back(self._user)
        self._user = user
        return True

    def hold(self, amount: int) -> bool:
        """So many bytes more; False: its place holds as many as it may."""
        if not self.place or not amount:
            return True
        if not self._all.bytes.take(self.place, amount):
            return False
        self._bytes += amount
        return True

    def let_go(self, amount: int) -> None:
        """So many bytes fewer."""
        if self.place and amount:
            self._bytes -= amount
            self._all.bytes.give_back(self.place, amount)

    def release(self) -> None:
        held, self._bytes = self._bytes, 0
        if held:
            self._all.bytes.give_back(self.place, held)

    def leave(self) -> None:
        self.leave_place()
        if self._surplus:
            self._all.surplus.give_back(self._surplus)
            self._surplus = ""
        if self._user is not None:
            self._all.users.give_back(self._user)
            self._user = None
