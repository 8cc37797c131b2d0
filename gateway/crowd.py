"""How many WebSockets one user, and one address, may have on this gateway.

Pure. Counts; who is turned away, and how, is gateway/opening.py's to carry out.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from gateway.limits import Limits
from schemas.claims import Claims
from schemas.refusals import Code, Refusal


class Crowd:
    __slots__ = ("_at", "_limits", "_sessions")

    def __init__(self, limits: Limits, sessions: Callable[[Claims], int]) -> None:
        """`sessions`: how many a user has here."""
        self._limits = limits
        self._sessions = sessions
        self._at: dict[str, int] = {}

    def refusal(self, place: str, claims: Claims | None) -> Refusal | None:
        """Why one more from `place`, by who has `claims` (None: unknown yet), is too
        many.
        """
        most = self._limits.connections_per_address_max
        if self._at.get(place, 0) >= most:
            text = f"{most} connections from this address are the most"
            return Refusal(Code.RATE_LIMITED, text)
        if claims is not None and self.is_full_of(claims):
            most = self._limits.connections_per_user_max
            text = f"{most} connections of one user are the most"
            return Refusal(Code.RATE_LIMITED, text)
        return None

    def is_full_of(self, claims: Claims) -> bool:
        return self._sessions(claims) >= self._limits.connections_per_user_max

    def enter(self, place: str) -> None:
        self._at[place] = self._at.get(place, 0) + 1

    def leave(self, place: str) -> None:
        left = self._at[place] - 1
        if left:
            self._at[place] = left
        else:
            del self._at[place]


@lru_cache(4096)
def place(address: str) -> str:
    """What counts as one address: an IPv4 one, or an IPv6 /64, which is what one
    customer gets (RFC 6177 section 2); anything else as it is.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))
