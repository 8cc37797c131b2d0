"""Rooms' messages as rows, and which of them are a room's history. Pure.

Within a ledger a room's numbers (`n`, its `seq` outside) are dense and unique. A ledger
that was made anew may begin at 1 again, so a room has one row a ledger, `Span`: a newer
ledger's messages take the place of those with the same or higher numbers.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from schemas.rooms import MessageData, trip_of
from schemas.times import rfc3339
from schemas.trips import Person

PAGE_BYTES_MAX = 768 * 1024
"""Of a list in one answer: below the server's default `max_payload` of 1 MiB. A page
of 100 messages of 4,000 ASCII characters has 420 KB; one of emoji comes shorter."""
BACKLOG_BYTES_MAX = 256 * 1024
"""The same for a leader, who hands on no more (dispatcher/engine/limits.py) and gets it
in a command."""


class MessageRow(Struct, frozen=True):
    """One row of `messages`, and where it comes from."""

    ledger: str
    seq: int
    region: str
    message: MessageData
    sent_at_ms: int
    key: str | None
    place: int
    """What `seq` should be, by where the event lies."""
    record: bytes
    stream: str
    traceparent: str | None = None


def message_values(row: MessageRow) -> dict[str, Any]:
    """The row of `messages`."""
    message = row.message
    sender = message.sender
    return {
        "ledger": row.ledger,
        "seq": row.seq,
        "region": row.region,
        "room": message.room,
        "n": message.seq,
        "id": message.id,
        "sender_id": sender.id,
        "sender_username": sender.username,
        "sender_first_name": sender.first_name,
        "sender_last_name": sender.last_name,
        "text": message.text,
        "sent_at_ms": row.sent_at_ms,
        "key": row.key,
        "traceparent": row.traceparent,
    }


def room_values(rows: Iterable[MessageRow]) -> list[dict[str, Any]]:
    """The rows of `rooms` these messages make, sorted by key, so that no two
    transactions wait for each other in a ring.
    """
    spans: dict[tuple[str, str, str], list[MessageRow]] = {}
    for row in rows:
        key = (row.region, row.message.room, row.ledger)
        spans.setdefault(key, []).append(row)
    return [
        {
            "region": region,
            "name": name,
            "ledger": ledger,
            "first_n": min(row.message.seq for row in spans[region, name, ledger]),
            "last_n": max(row.message.seq for row in spans[region, name, ledger]),
            "last_at_ms": max(row.sent_at_ms for row in spans[region, name, ledger]),
            "trip_id": trip_of(name),
        }
        for region, name, ledger in sorted(spans)
    ]


class Span(Struct, frozen=True):
    """One ledger's messages in a room: numbers `first_n` to `last_n`, both included."""

    ledger: str
    first_n: int
    last_n: int
    last_at_ms: int


def visible(spans: Iterable[Span], before: int | None) -> list[Span]:
    """What of a room's spans is its history below number `before` (None: all), newest
    first: falling numbers that never overlap.
    """
    seen: list[Span] = []
    for span in sorted(spans, key=lambda span: span.last_at_ms, reverse=True):
        last_n = span.last_n if before is None else min(span.last_n, before - 1)
        if last_n >= span.first_n:
            seen.append(Span(span.ledger, span.first_n, last_n, span.last_at_ms))
        before = span.first_n if before is None else min(before, span.first_n)
    return seen


def message_of(row: Any) -> MessageData:
    """The message of a row of `messages`, as the room got it."""
    return MessageData(
        room=row.room,
        seq=row.n,
        id=row.id,
        sender=Person(
            row.sender_id,
            row.sender_username,
            row.sender_first_name,
            row.sender_last_name,
        ),
        text=row.text,
        at=rfc3339(row.sent_at_ms),
    )


def within(messages: Sequence[bytes], bytes_max: int) -> list[bytes]:
    """The first of them that together fit, at least one."""
    size = 0
    for count, message in enumerate(messages):
        size += len(message) + 1
        if size > bytes_max and count:
            return list(messages[:count])
    return list(messages)
