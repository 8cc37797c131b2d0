"""What waits for one reader: bounded, so that a slow one can't fill the memory."""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from cabrank_client.errors import SlowReader
from cabrank_client.shapes import Event

T = TypeVar("T")

ITEMS_MAX = 1_000
BYTES_MAX = 4 * 1024 * 1024
"""Of the frames' texts; a message may have 24 KB, a trip 8."""


class Buffer(Generic[T]):
    """An async iterator over what is put in, for one task at a time."""

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._ended = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def put(self, item: T, size: int) -> None:
        """What is too much ends it: the reader is told after what is there."""
        if self._ended:
            return
        if len(self._items) >= ITEMS_MAX or self._bytes + size > BYTES_MAX:
            held = f"{len(self._items)} of {ITEMS_MAX} wait, {self._bytes} bytes"
            self.end(SlowReader(f"too much came before it was read: {held}"))
            return
        self._items.append((item, size))
        self._bytes += size
        self._news.set()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes. `error` is raised once all has been read."""
        if not self._ended:
            self._ended, self._error = True, error
        self._news.set()

    @property
    def is_ended(self) -> bool:
        return self._ended

    def clear(self) -> None:
        """Forget what waits."""
        self._items.clear()
        self._bytes = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        item, size = self._items.popleft()
        self._bytes -= size
        return item


class Subscription(Buffer[Event]):
    """Events from when it was made on. Close it, or use it by `with`, where you stop
    reading before the client does.
    """

    def __init__(
        self,
        wants: Callable[[Event], bool],
        drop: Callable[["Subscription"], None],
    ) -> None:
        super().__init__()
        self._wants = wants
        self._drop = drop

    def heard(self, event: Event, size: int) -> None:
        if self._wants(event):
            self.put(event, size)

    def close(self) -> None:
        self.end()
        self._drop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
