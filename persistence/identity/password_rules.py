"""Which passwords may be chosen: NIST SP 800-63B, section 5.1.1.2. Pure.

No rules of composition and no expiry; instead what is expected, common or about the
user is refused, compared as a whole. How long one may be is `schemas.accounts`'.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import islice

CHARS_MIN = 8
"""PROTOCOL.md section 5, and NIST's least; counted in code points, normalised."""
SERVICE = "cabrank"
COMMON_MAX = 10_000
"""Those tried first. A longer list refuses more than guessing gains, since log-ins are
throttled (NIST SP 800-63B-4, section 3.1.1.2)."""
NAME_CHARS_MIN = 3
"""A shorter name says little about a password that has it."""


def normal(password: str) -> str:
    """As it is hashed: NFKC, so that it is the same from every keyboard."""
    return unicodedata.normalize("NFKC", password)


def fault(password: str, names: Iterable[str]) -> str | None:
    """Why nobody called by these names should choose it; None: nothing against it."""
    text = normal(password)
    if len(text) < CHARS_MIN:
        return f"the password has {len(text)} characters; {CHARS_MIN} are the least"
    plain = text.casefold()
    if plain in common():
        return "the password is one of those that are tried first"
    for name in (SERVICE, *names):
        if _is_about(plain, normal(name).casefold()):
            return "the password is a name of the user or of this service"
    return None


@cache
def common() -> frozenset[str]:
    """The first of zxcvbn's passwords (the most used of known leaks, in that order)
    that are long enough to be chosen, in lower case.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 0.8 MB

    first = islice(FREQUENCY_LISTS["passwords"], COMMON_MAX)
    return frozenset(word for word in first if len(word) >= CHARS_MIN)


def _is_about(plain: str, name: str) -> bool:
    """The name, also backwards, repeated, or between digits and signs."""
    if len(name) < NAME_CHARS_MIN:
        return False
    inner = plain.strip("".join({c for c in plain if not c.isalpha()}))
    return any(
        word in (plain, inner) or not plain.replace(word, "")
        for word in (name, name[::-1])
    )
