"""Ids of trips and messages: UUIDv7 (RFC 9562, section 5.7) without a clock or a
random source.
"""

from hashlib import blake2b
from uuid import UUID

_TIME_MASK = (1 << 48) - 1
_RANDOM_MASK = (1 << 62) - 1


def made_id(stamp_ms: int, command_id: str) -> str:
    """The id of what a command makes: its 48 bits of time are the stamp, its 74
    random ones a hash of the command's id, so that replay makes the same.
    """
    digest = int.from_bytes(
        blake2b(command_id.encode("utf-8", "surrogatepass"), digest_size=10).digest(),
        "big",
    )
    number = (
        (stamp_ms & _TIME_MASK) << 80
        | 0x7 << 76
        | (digest >> 62 & 0xFFF) << 64
        | 0b10 << 62
        | digest & _RANDOM_MASK
    )
    return str(UUID(int=number))
