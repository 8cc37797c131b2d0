"""What people may be called, and when two usernames are one. Pure.

Usernames are compared by PRECIS UsernameCaseMapped (RFC 8265 section 3.3): `key`. What
is shown is the same without the case mapping (section 3.4), so `Ann` stays `Ann`, and a
full-width or decomposed spelling is shown as the usual one. On top of PRECIS only
letters with their marks, digits and `@.+-_`, and no mixture of scripts that look alike
(UTS #39 section 5.2, "highly restrictive").
"""

import unicodedata
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from precis_i18n.profile import Profile

CHARS_MAX = 150
"""PROTOCOL.md section 5; of what is typed, and of what is shown."""
SIGNS = "@.+-_"
MARKS_MAX = 4
"""On one letter: UTS #39 section 5.4; more only cover what stands around them."""

_COMMON = frozenset({"Zyyy", "Zinh"})
_TOGETHER = {
    "Hani": ("Hanb", "Jpan", "Kore"),
    "Hira": ("Jpan",),
    "Kana": ("Jpan",),
    "Hang": ("Kore",),
    "Bopo": ("Hanb",),
}
"""UTS #39 section 5.1: scripts that are written together have a name for it."""
_WITH_LATIN = frozenset({"Hanb", "Jpan", "Kore"})


class UsernameError(ValueError):
    """Nobody may be called that; the message says why, without the name."""


def shown(typed: str) -> str:
    """The username as it is stored and told.

    Raises:
        UsernameError: it can't be one.
    """
    name = typed if typed.isascii() else _enforced("UsernameCasePreserved", typed)
    if not 1 <= len(name) <= CHARS_MAX:
        raise UsernameError(f"{len(name)} characters; 1 to {CHARS_MAX} are allowed")
    if not all(char in SIGNS or _kind(char) in "LMN" for char in name):
        raise UsernameError("only letters, digits and @.+-_ are allowed")
    if not name.isascii():
        _check_marks(name)
        _check_scripts(name)
    return name


def key(typed: str) -> str | None:
    """What the username is compared by; None: nobody can be called that, or only who
    was before there were these rules. No key has a `!`.
    """
    try:
        name = shown(typed)
        return name.lower() if name.isascii() else _mapped(name)
    except UsernameError:
        return None


def _mapped(name: str) -> str:
    return _enforced("UsernameCaseMapped", name)


def _enforced(profile: str, typed: str) -> str:
    if len(typed) > CHARS_MAX:  # PRECIS looks at each character several times
        raise UsernameError(f"{len(typed)} characters; 1 to {CHARS_MAX} are allowed")
    try:
        return _profile(profile).enforce(typed)
    except UnicodeEncodeError as error:
        # "DISALLOWED/bidi_rule"
        rule = error.reason.rpartition("/")[2].replace("_", " ")
        raise UsernameError(f"its characters aren't allowed (PRECIS: {rule})") from None


@cache
def _profile(name: str) -> "Profile":
    from precis_i18n import get_profile  # noqa: PLC0415 - for names beyond ASCII alone

    return get_profile(name)


def _kind(char: str) -> str:
    """`L`, `M`, `N` for letters, marks, decimal digits, else a space."""
    if char.isascii():
        return "L" if char.isalnum() else " "
    category = unicodedata.category(char)
    return category[0] if category[0] in "LM" or category == "Nd" else " "


def _check_marks(name: str) -> None:
    if _kind(name[0]) == "M":
        raise UsernameError("it begins with a mark that belongs on a letter")
    for is_mark, run in groupby(name, lambda char: _kind(char) == "M"):
        if is_mark and len(list(run)) > MARKS_MAX:
            raise UsernameError(f"over {MARKS_MAX} marks on a letter")


def _check_scripts(name: str) -> None:
    sets = [scripts for scripts in map(_scripts, name) if scripts]
    if not sets or frozenset.intersection(*sets):
        return
    beside_latin = [scripts for scripts in sets if "Latn" not in scripts]
    if not _WITH_LATIN & frozenset.intersection(*beside_latin):
        raise UsernameError("its letters are of several scripts, which look alike")


def _scripts(char: str) -> frozenset[str]:
    """Those that the character is written in; none: in all."""
    found = frozenset(_script_extension()(char))
    if found & _COMMON:
        return frozenset()
    return found.union(*(_TOGETHER.get(script, ()) for script in found))


@cache
def _script_extension() -> Any:
    """Unicode's ScriptExtensions.txt and Scripts.txt."""
    from fontTools.unicodedata import script_extension  # noqa: PLC0415 - 15 ms

    return script_extension
