"""Service accounts' keys as they were found to be a moment ago. Pure.

A key that is used as a token is asked about (gateway/identity/settling.py) and then
known for a short while; what ends it meanwhile is told by a revocation.
"""

from collections import OrderedDict

from gateway.errors import InvalidToken, UncheckedKey
from schemas import subjects
from schemas.claims import LATEST_S, SERVICE_ISSUER, Claims, Service
from schemas.service_accounts import PREFIX, KeyHolder, hash_of, is_key

KNOWN_S = 30.0
"""As long may a key be used that a gateway doesn't hear the end of."""
KEYS_MAX = 1_024
"""About 1 KiB each."""


def looks_like_key(token: str) -> bool:
    return token.startswith(PREFIX)


class ServiceKeys:
    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Claims, float]] = OrderedDict()
        """By hash: whose, and until when that is good."""

    def claims(self, key: str, now_s: float) -> Claims:
        """Of a key that was checked a moment ago; it may have ended since.

        Raises:
            InvalidToken: it is none; UncheckedKey: it is to be asked about.
        """
        if not is_key(key):
            raise InvalidToken(
                "the token looks like a service account's key, but isn't"
            )
        known = self._known.get(hash_of(key))
        if known is None or now_s >= known[1]:
            raise UncheckedKey(key)
        return known[0]

    def learn(self, key: str, holder: KeyHolder, now_s: float) -> None:
        """It is good, and whose it is.

        Raises:
            ValueError: what is said of them can't be part of a subject.
        """
        user = holder.user
        subjects.user(holder.region, user.id)
        found = Claims(
            user.id,
            user.username,
            user.first_name,
            user.last_name,
            user.role,
            holder.region,
            subjects.token(holder.key),
            holder.made_ms / 1000,
            LATEST_S if holder.expires_ms is None else holder.expires_ms / 1000,
            SERVICE_ISSUER,
            Service(holder.key, holder.scopes),
        )
        digest = hash_of(key)
        self._known[digest] = (found, now_s + KNOWN_S)
        self._known.move_to_end(digest)
        if len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)

    def user(self, key: str) -> str | None:
        """Whose it was when it was last checked."""
        known = self._known.get(hash_of(key))
        return None if known is None else known[0].sub
