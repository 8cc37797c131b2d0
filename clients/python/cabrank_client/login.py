"""Who is logged in, and what proves it: which token next, or what to ask for one. Pure.

Tokens are held in memory alone.
"""

from collections.abc import Awaitable, Callable

from cabrank_client import calls, policy
from cabrank_client.calls import Call
from cabrank_client.errors import CabrankError, NotAuthenticated
from cabrank_client.shapes import Tokens

TokenSource = Callable[[str | None], "str | Awaitable[str | None] | None"]
"""A function that gives an access token: of your own issuer, for one. It is told of a
token that is not to be used again, because it was refused, has ended, or ends within a
minute; None: any that is good. It answers None where nobody is logged in (any more)."""


class Given:
    """A token that is what it is: an access token, or a service account's key. As
    `Password`.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    def token(self, rejected: str | None, now_s: float) -> str | None:  # noqa: ARG002
        return None if self._token == rejected else self._token

    def took(self, tokens: Tokens, now_s: float) -> None:  # noqa: ARG002
        raise AssertionError("nothing was asked for")

    def refused(self, error: CabrankError) -> None:
        raise error


class Password:
    """A session that is renewed while it can be, and begun anew where it has ended."""

    def __init__(self, username: str, password: str) -> None:
        self._asks = calls.log_in(username, password)
        self._tokens: Tokens | None = None
        self._renew_at_s = 0.0

    def token(self, rejected: str | None, now_s: float) -> str | Call[Tokens]:
        """A token but that one, or what to ask for one; `now_s` only grows."""
        held = self._tokens
        if held is None:
            return self._asks
        if held["access"] != rejected and now_s < self._renew_at_s:
            return held["access"]
        return calls.refresh(held["refresh"])

    def took(self, tokens: Tokens, now_s: float) -> None:
        """What was asked for has come."""
        life_s = float(tokens["expires_in"])
        margin_s = min(policy.RENEW_MARGIN_S, life_s / 2)
        self._tokens = tokens
        self._renew_at_s = now_s + life_s - margin_s

    def refused(self, error: CabrankError) -> None:
        """What was asked for was refused. Raises: CabrankError: for good."""
        if self._tokens is None or not isinstance(error, NotAuthenticated):
            raise error
        self._tokens = None  # the session has ended: the password begins another


def login_of(
    token: str | None, username: str | None, password: str | None
) -> Given | Password:
    """Raises: TypeError: a token and a password, or half of the latter, are given."""
    if username is None and password is None:
        return Given(token)
    if token is not None or username is None or password is None:
        raise TypeError("either a token, or a username and a password")
    return Password(username, password)
