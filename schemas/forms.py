"""The forms that texts must have: a regular expression, and how it is told. Pure."""

NO_NUL = r"^[^\x00]*$"
ROOM_NAME = r"^[A-Za-z0-9_-]{1,64}\Z"
NOT_IN_NAMES = (
    r"\x00-\x1f\x7f-\x9f"  # controls
    r"\u2028\u2029"  # of lines and paragraphs
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Bidi_Control
    r"\u206a-\u206f"  # what was meant for the same, deprecated
)
"""Of any name, inside brackets."""
_END = r"$(?!\n)"
"""Python's `$` lets a line's end follow; its `\\Z` is none of JSON Schema's."""
NAME = rf"^[^{NOT_IN_NAMES}]*{_END}"
USERNAME = rf"^[^\x00-*,/:-?\[-^`{{-\x9f]+{_END}"
"""Of ASCII: letters, digits, `@.+-_`; of the rest schemas/names.py says what may be."""

TAG = rf"^[a-z0-9_-]{{1,32}}{_END}"

UUID = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}" + _END
MESSAGE = rf"^msg_[0-9A-Za-z-]{{1,64}}_[0-9]{{1,19}}{_END}"
"""A delivery's `webhook-id` (schemas/webhooks.py)."""

WORDS = {
    UUID: "must be an id, a UUID",
    MESSAGE: "must be a delivery's webhook_id",
    NO_NUL: "can't hold the character U+0000",
    ROOM_NAME: "must be 1 to 64 letters (A to Z), digits, “-” or “_”",
    TAG: "must be 1 to 32 small letters (a to z), digits, “-” or “_”",
    NAME: "can't hold control or bidirectional characters",
    USERNAME: "may hold letters, digits and @ . + - _ only",
}
"""What follows the field's name."""
