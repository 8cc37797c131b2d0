"""Which passwords may be chosen: NIST SP 800-63B, section 5.1.1.2. Pure.

No rules of composition and no expiry; instead what is expected, common or about the
user is refused, compared as a whole. How long one may be is `schemas.accounts`'.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

CHARS_MIN = 8
"""PROTOCOL.md section 5, and NIST's least; counted in code points, normalised."""
SERVICE = "cabrank"
DISTINCT_MIN = 3
"""`aaaaaaaa` and `abababab` have fewer characters."""
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
    if len(set(text)) < DISTINCT_MIN:
        return "the password is one or two characters, repeated"
    plain = text.casefold()
    if plain in common():
        return "the password is one of those that are tried first"
    for name in (SERVICE, *names):
        if _is_about(plain, normal(name).casefold()):
            return "the password is a name of the user or of this service"
    return None


@cache
def common() -> frozenset[str]:
    """Passwords of zxcvbn's list (30,000, the most used of known leaks) that are long
    enough to be chosen, in lower case.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 0.8 MB

    return frozenset(
        word for word in FREQUENCY_LISTS["passwords"] if len(word) >= CHARS_MIN
    )


def _is_about(plain: str, name: str) -> bool:
    """The name, also backwards, repeated, or between digits and signs."""
    if len(name) < NAME_CHARS_MIN:
        return False
    inner = plain.strip("".join({c for c in plain if not c.isalpha()}))
    return any(
        word in (plain, inner) or not plain.replace(word, "")
        for word in (name, name[::-1])
    )
