"""Ids of trips and messages: UUIDv7 (RFC 9562, section 5.7) without a clock or a
random source.
"""

from hashlib import blake2b

_TIME_MASK = (1 << 48) - 1
_SEQ_BITS = 53
"""JavaScript's whole numbers, which no seq outgrows."""
_MARK_BITS = 74 - _SEQ_BITS
_LOW_BITS = 62


def made_id(stamp_ms: int, command_id: str, seq: int = 0) -> str:
    """The id of what a command makes, so that replay makes the same. Its 48 bits of
    time are the stamp, which never falls; of the 74 others the first 53 are the event's
    number, so that ids grow in the order of first events within a millisecond too, and
    while a clock that was ahead holds the stamp (RFC 9562, section 6.2, method 1: a
    counter); the rest is a hash of the command's id, since another region may have the
    same number in the same millisecond.
    """
    digest = blake2b(command_id.encode("utf-8", "surrogatepass"), digest_size=8)
    mark = int.from_bytes(digest.digest(), "big") >> (64 - _MARK_BITS)
    rest = (seq % (1 << _SEQ_BITS)) << _MARK_BITS | mark
    number = (
        (stamp_ms & _TIME_MASK) << 80
        | 0x7 << 76
        | rest >> _LOW_BITS << 64
        | 0b10 << 62
        | rest % (1 << _LOW_BITS)
    )
    text = f"{number:032x}"  # str(UUID(int=number)) takes three times as long
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
