"""What is wrong with data, in words for who sent it. Pure.

msgspec says "Expected `str` of length >= 1 - at `$.pick_up_address`"; clients show what
they are told to people (PROTOCOL.md section 3), so it becomes "pick_up_address must
have at least 1 character". The patterns are msgspec's messages (0.22); what none of
them knows is passed on as it is.
"""

import re
from collections.abc import Callable

from schemas import forms

ALL = "the data"
"""What a sentence that names no field begins with."""
MISSING = " is missing"
"""And how one ends that names a field which isn't there."""
SAID_CHARS_MAX = 64
"""Of what was sent, in the sentence about it; as with an unknown type or id."""
_INSTANT = "an RFC 3339 instant"
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "datetime": _INSTANT,
    "array": "a list",
    "null": "null",
}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "over", "<": "under"}
_UNITS = {"str": "character", "array": "entry", "object": "field"}
_PLURALS = {"character": "characters", "entry": "entries", "field": "fields"}


def _kind(names: str) -> str:
    """`object | null` as "an object or null"."""
    parts = [_KINDS.get(name.strip(), name.strip()) for name in names.split("|")]
    return " or ".join(dict.fromkeys(parts))


def _length(what: str, kind: str, sign: str, number: str) -> str:
    unit = _UNITS[kind]
    units = unit if number == "1" else _PLURALS[unit]
    return f"{what} must have {_BOUNDS[sign]} {number} {units}"


def _bound(what: str, _: str, sign: str, number: str) -> str:
    return f"{what} must be {_BOUNDS[sign]} {number.removesuffix('.0')}"


def _said(value: str) -> str:
    """What somebody sent, as far as it tells them which it is: it may be 64 KiB."""
    return value if len(value) <= SAID_CHARS_MAX else f"{value[:SAID_CHARS_MAX]}…"


_FORMS = {repr(pattern): words for pattern, words in forms.WORDS.items()}


def _form(what: str, pattern: str) -> str:
    return f"{what} {_FORMS.get(pattern, 'is not of the form that is asked for')}"


Say = Callable[..., str]
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_RULES: tuple[tuple[re.Pattern[str], Say], ...] = (
    (re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)"), _length),
    (
        re.compile(r"Expected `array` of length (\d+)"),
        lambda what, count: f"{what} must have {count} entries",
    ),
    (re.compile(r"Expected `(int|float)` (>=|<=|>|<) (\S+)"), _bound),
    (re.compile(r"Expected `str` matching regex (.*)", re.DOTALL), _form),
    (
        re.compile(r"Expected `([^`]+)`, got `([^`]+)`"),
        lambda what, asked, got: f"{what} must be {_kind(asked)}, not {_kind(got)}",
    ),
    (
        re.compile(r"Invalid enum value (.*)", re.DOTALL),
        lambda what, value: f"{what} can't be {_said(value)}",
    ),
    (
        re.compile(r"Invalid RFC3339 encoded datetime"),
        lambda what: f"{what} must be {_INSTANT}",
    ),
    (
        re.compile(r"Expected `datetime` with a timezone component"),
        lambda what: f"{what} must be {_INSTANT} with its offset (or Z)",
    ),
    (
        re.compile(r"Number out of range"),
        lambda what: f"{what} is a number out of range",
    ),
    (
        re.compile(r"Input data was truncated"),
        lambda _: "the JSON ends too early",
    ),
    (
        re.compile(r"JSON is malformed: (.*)", re.DOTALL),
        lambda _, why: f"not JSON: {why}",
    ),
)
_AT = re.compile(r"(.*) - at `(?:key in )?\$\.?([^`]*)`", re.DOTALL)
_UNNAMED = re.compile(r"(\[\.\.\.\])+")
"""How msgspec calls the way to what it reads into no shape."""


def of_field(message: str) -> str:
    """As `plain`, to stand beside others: `pick_up.lat: must be a number, not text`."""
    found = _AT.fullmatch(message)
    said = plain(found[1]) if found is not None else ""
    if found is None or said.endswith(MISSING):
        return plain(message)
    return f"{found[2]}: {said.removeprefix(ALL).lstrip()}"


def plain(message: str, field: str = "") -> str:
    """What msgspec said, in words.

    Args:
        message: of a `msgspec.ValidationError` or `msgspec.DecodeError`.
        field: the path of what it is about, where the message doesn't say:
            `pick_up.lat`, `needs[0]`; empty: all of the data.
    """
    found = _AT.fullmatch(message)
    if found is not None:
        message, field = found[1], "" if _UNNAMED.fullmatch(found[2]) else found[2]
    missing = _MISSING.fullmatch(message)
    if missing is not None:
        return (
            f"{field}.{missing[1]} is missing" if field else f"{missing[1]} is missing"
        )
    what = field or ALL
    for pattern, say in _RULES:
        match = pattern.fullmatch(message)
        if match is not None:
            return say(what, *match.groups())
    return f"{field}: {message}" if field else message
