"""What one NATS message may hold. A list in items is no limit: whatever is published is
cut by bytes, by what is here.
"""

from collections.abc import Iterable, Iterator

from schemas.codec import encode

PAYLOAD_BYTES_MAX = 1024 * 1024
"""The server's default `max_payload`; one over it costs the connection."""
MESSAGE_BYTES_MAX = PAYLOAD_BYTES_MAX // 2
"""Of a list that may be parted; so a last item that is large still fits."""


def in_messages(
    items: Iterable[bytes], bytes_max: int = MESSAGE_BYTES_MAX
) -> Iterator[list[bytes]]:
    """The encoded items in order, in lists of at most so many bytes with a comma
    each; an item that is larger has a list to itself. No list is empty.
    """
    held: list[bytes] = []
    size = 0
    for item in items:
        if held and size + len(item) > bytes_max:
            yield held
            held, size = [], 0
        held.append(item)
        size += len(item) + 1
    if held:
        yield held


def size_of(text: str) -> int:
    """Bytes that a text takes in a message: up to four a character, six where it is a
    control character; and where it is JSON itself, each of its quotes is escaped.
    """
    return len(encode(text))


def as_list(items: list[bytes]) -> bytes:
    """Encoded items as one JSON list."""
    return b"[%b]" % b",".join(items)
