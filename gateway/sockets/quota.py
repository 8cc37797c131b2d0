"""How many WebSockets one user, and one address, may have on this gateway.

Pure. Counts; who is turned away, and how, is gateway/sockets/upgrade.py's to carry out.
"""

from gateway.limits import Limits
from gateway.sockets.shares import Shares
from schemas.refusals import Code, Refusal


class Quota:
    """Counted from the handshake's beginning, also while others are asked whether it
    may go on, to the socket's end.
    """

    __slots__ = ("_addresses", "_limits", "_users")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._addresses = Shares(limits.connections_per_address_max)
        self._users = Shares(limits.connections_per_user_max)

    def enter(self, place: str) -> Refusal | None:
        """One more from `place`; or why that is too many, and it is not counted."""
        if self._addresses.take(place):
            return None
        most = self._limits.connections_per_address_max
        text = f"{most} connections from this address are the most"
        return Refusal(Code.RATE_LIMITED, text)

    def leave(self, place: str) -> None:
        self._addresses.give_back(place)

    def enter_as(self, user: str) -> Refusal | None:
        """As `enter`, once it is known who it is."""
        if self._users.take(user):
            return None
        most = self._limits.connections_per_user_max
        text = f"{most} connections of one user are the most"
        return Refusal(Code.RATE_LIMITED, text)

    def leave_as(self, user: str) -> None:
        self._users.give_back(user)
