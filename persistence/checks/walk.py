"""Tables in pieces, by their keys: so that no statement sums up all of them, and no
snapshot is held for as long as the whole takes. Only asks.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

PIECE = 5_000
"""Keys; some tens of milliseconds' work."""


class Piece:
    """Keys after `low`, up to and with `high`; None: without end."""

    def __init__(self, low: Any, high: Any) -> None:
        self._low = low
        self._high = high

    def has(self, key: Any) -> ColumnElement[bool]:
        """The same piece of any column that has such keys."""
        ends = [key > self._low] if self._low is not None else []
        return and_(
            True, *ends, *([key <= self._high] if self._high is not None else [])
        )


def pieces(
    connection: Connection, key: Any, within: ColumnElement[bool]
) -> Iterator[Piece]:
    """All keys there can be, cut at every `PIECE`th that there is `within`. Ends the
    connection's transaction after each: it must be one that only reads.
    """
    low = None
    while True:
        ahead = select(key).where(within, Piece(low, None).has(key))
        high = connection.scalar(ahead.order_by(key).offset(PIECE - 1).limit(1))
        yield Piece(low, high)
        connection.rollback()
        if high is None:
            return
        low = high
