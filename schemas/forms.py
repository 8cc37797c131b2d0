"""The forms that texts must have: a regular expression, and how it is told. Pure."""

NO_NUL = r"^[^\x00]*$"
ROOM_NAME = r"^[A-Za-z0-9_-]{1,64}\Z"
USERNAME = r"^[\w@.+-]+\Z"

WORDS = {
    NO_NUL: "can't hold the character U+0000",
    ROOM_NAME: "must be 1 to 64 letters (A to Z), digits, “-” or “_”",
    USERNAME: "may hold letters, digits and @ . + - _ only",
}
"""What follows the field's name."""
