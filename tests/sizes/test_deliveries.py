"""Deliveries with the widest bodies: what is stored, or claimed, in one message is cut
by the bytes that it has there, not by the characters of its bodies (issue 12).
"""

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, insert

from persistence.deliveries import turns
from persistence.delivery_models import (
    NEVER,
    WebhookDeliveryRow,
    WebhookLineRow,
    WebhookRow,
)
from schemas.budget import size_of
from schemas.codec import encode
from schemas.trips import Person
from schemas.webhooks import STORE_BYTES_MAX, Claim, Happened
from tests.sizes.largest import ID, LETTER, MESSAGE, NAME_CHARS
from webhooks.happening import Body
from webhooks.reading import _chunks

EMOJI = "\U0001f695"
QUOTE = '"'
CHARS = 4_000
COUNT = 200
ENVELOPE_BYTES = 64 * 1024
"""Of a message, beside its bodies."""


def body(char: str) -> str:
    """Of a message that a room heard."""
    sender = Person(ID, LETTER * NAME_CHARS, char * NAME_CHARS, char * NAME_CHARS)
    said = replace(MESSAGE, text=char * CHARS, sender=sender)
    return encode(Body("chat.message", said.at, said)).decode()


@pytest.mark.parametrize("char", [EMOJI, QUOTE], ids=["emoji", "quote"])
def test_what_is_stored_at_once_is_cut_by_its_bytes(char: str) -> None:
    events = [
        Happened(seq, "chat.message", 1, None, "room:hall", (ID,), body(char))
        for seq in range(COUNT)
    ]
    chunks = list(_chunks(events, COUNT))
    assert [event for chunk, _ in chunks for event in chunk] == events
    for chunk, _ in chunks:
        assert len(encode(chunk)) < STORE_BYTES_MAX + ENVELOPE_BYTES


@pytest.mark.parametrize("char", [EMOJI, QUOTE], ids=["emoji", "quote"])
def test_what_is_claimed_at_once_is_cut_by_its_bytes(engine: Engine, char: str) -> None:
    said, hook, at_ms = body(char), "h" * 36, 1_000
    row: dict[str, Any] = {"id": hook, "url": "https://x.example/", "events": '["*"]'}
    row |= {"description": None, "by": ID, "active": True, "ended": None, "since": "{}"}
    row |= {"secret": "whsec_", "old_secret": None, "old_until_ms": None}
    row |= {"created_at_ms": at_ms, "updated_at_ms": at_ms}
    sent = {"webhook_id": hook, "ledger": "l" * 22, "type": "chat.message"}
    sent |= {"trip_id": None, "at_ms": at_ms, "status": "waiting", "attempts": 0}
    sent |= {"due_ms": 0, "frees_ms": NEVER, "error": None, "body": said}
    sent |= {"size": len(said.encode())}
    lines = [f"room:{n:03d}" for n in range(COUNT)]
    waits = {"webhook_id": hook, "due_ms": 0, "leased_ms": 0}
    with engine.begin() as connection:
        connection.execute(insert(WebhookRow), row)
        connection.execute(insert(WebhookLineRow), [waits | {"line": n} for n in lines])
        those = [sent | {"line": line, "seq": n} for n, line in enumerate(lines)]
        connection.execute(insert(WebhookDeliveryRow), those)
        claimed = turns.claim(connection, Claim({hook: COUNT}), at_ms)
    assert claimed.more
    assert len(claimed.lines) > 3
    most = STORE_BYTES_MAX + size_of(said) + ENVELOPE_BYTES
    assert len(encode(claimed)) < most
