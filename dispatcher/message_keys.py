"""Idempotency keys of messages: what a user's key made, as it was said."""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator

from msgspec import Struct

from dispatcher.limits import MESSAGE_KEYS_BYTES_MAX, MESSAGE_KEYS_MAX
from schemas.codec import Raw

ELSEWHERE = Raw(b"0")


class MessageKeyRow(Struct, frozen=True, array_like=True, gc=False):
    """One key in a snapshot; `message` is 0 where its room holds it."""

    at_ms: int
    user: str
    key: str
    room: str
    n: int
    message: Raw = ELSEWHERE


class _Made(Struct, frozen=True, gc=False):
    at_ms: int
    room: str
    n: int
    message: bytes


class MessageKeys:
    """The newest keys, the oldest of them first; all operations O(1)."""

    __slots__ = ("_bytes", "_made")

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()
        self._bytes = 0

    def message(self, user: str, key: str) -> bytes | None:
        """The encoded `MessageData` that the key made."""
        made = self._made.get((user, key))
        return None if made is None else made.message

    def put(self, row: MessageKeyRow, message: bytes) -> None:
        """Remember a key that is new to this user; stamps never fall."""
        self._made[row.user, row.key] = _Made(row.at_ms, row.room, row.n, message)
        self._bytes += len(message)
        while len(self._made) > MESSAGE_KEYS_MAX or (
            self._bytes > MESSAGE_KEYS_BYTES_MAX
        ):
            self._forget_oldest()

    def evict(self, until_ms: int) -> None:
        """Forget what was made at `until_ms` or before."""
        while self._made and next(iter(self._made.values())).at_ms <= until_ms:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, made = self._made.popitem(last=False)
        self._bytes -= len(made.message)

    def rows(self, held: Container[int]) -> Iterator[MessageKeyRow]:
        """For a snapshot that holds the messages of these `id`s elsewhere: where a
        room has one, it is the same object.
        """
        for (user, key), made in self._made.items():
            message = made.message
            yield MessageKeyRow(
                made.at_ms,
                user,
                key,
                made.room,
                made.n,
                ELSEWHERE if id(message) in held else Raw(message),
            )

    def put_rows(
        self, rows: Iterable[MessageKeyRow], held: Callable[[str, int], bytes | None]
    ) -> None:
        """The inverse; `held(room, n)` is the message a room holds."""
        for row in rows:
            raw = bytes(row.message)
            message = raw if len(raw) > 1 else held(row.room, row.n)
            assert message is not None, f"no message {row.n} in room {row.room}"
            made = _Made(row.at_ms, row.room, row.n, message)
            self._made[row.user, row.key] = made
            self._bytes += len(message)
