"""The largest of each thing that clients can make, as it is written. Pure."""

from msgspec.structs import replace

from schemas.codec import encode
from schemas.rooms import MessageData
from schemas.trips import Person, Position, Status, Trip
from tests.sizes.constants import value_of as at

WIDEST = "\x01"
"""JSON writes it in six bytes, an emoji's four are four."""
ID = "f" * 8 + "-ffff" * 3 + "-" + "f" * 12
NAME_CHARS, ADDRESS_CHARS, KEY_CHARS, ROOM_CHARS = 150, 255, 64, 64
NOTE_CHARS, REFERENCE_CHARS, NEEDS, NEED_CHARS = 500, 64, 8, 32
REGION_CHARS = 32
AT = "2026-11-29T00:00:00.000Z"
LETTER = "\U00010428"
"""As many bytes as a username's letter takes, in JSON and in CPython: four."""
PERSON = Person(ID, LETTER * NAME_CHARS, WIDEST * NAME_CHARS, WIDEST * NAME_CHARS)
HERE = Position(-89.12345678901234, -179.1234567890123)
TRIP = Trip(
    id=ID,
    region="r" * REGION_CHARS,
    status=Status.IN_PROGRESS,
    version=10**6,
    pick_up_address=WIDEST * ADDRESS_CHARS,
    drop_off_address=WIDEST * ADDRESS_CHARS,
    pick_up=HERE,
    drop_off=HERE,
    rider=PERSON,
    driver=PERSON,
    created=AT,
    updated=AT,
    note=WIDEST * NOTE_CHARS,
    reference=WIDEST * REFERENCE_CHARS,
    needs=("n" * NEED_CHARS,) * NEEDS,
    pick_up_at=AT,
)
MESSAGE = MessageData(
    room="r" * ROOM_CHARS,
    seq=2**53,
    id=ID,
    sender=PERSON,
    text=WIDEST * at("schemas.rooms:TEXT_CHARS_MAX"),
    at=AT,
)
PERSON_BYTES = len(encode(PERSON))
TRIP_BYTES = len(encode(TRIP))
OPEN_TRIP_BYTES = len(encode(replace(TRIP, driver=None)))
MESSAGE_BYTES = len(encode(MESSAGE))
HEAD_BYTES = 400
"""A counted entry of a dict in CPython with its key, two numbers and a struct."""
ITEM_BYTES = at("gateway.fanout.open_trips:ITEM_BYTES")
KEY_BYTES = at("dispatcher.engine.idempotency:KEY_BYTES")
DUTY_BYTES = 2_500
"""A driver who asked for offers, with 16 tags of 32 characters, as an object; what the
matcher knows of them included."""
SEEN_BYTES = 200
"""An id with an instant in a dict of CPython."""
NAME_BYTES = 900
"""A username of such letters by its user's id, in a dict of CPython with an instant."""
FIX_BYTES = 1_000
"""A driver's fix as an object."""
