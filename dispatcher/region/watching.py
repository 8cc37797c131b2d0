"""What a lead tells gateways where operators watch: a round a second, told in shares.

Nothing is looked at, held or sent unless a gateway's heartbeat of the last seconds says
that somebody there watches. What is told is stored: a share waits for the record that
it may be ahead of.
"""

from collections import deque

from dispatcher.engine.batch import Batcher
from dispatcher.engine.engine import Engine
from dispatcher.engine.figures import Flow, figures
from dispatcher.engine.picture import Picture
from runtime.bus import Bus
from schemas import subjects
from schemas.codec import encode
from schemas.rooms import PRESENCE_SILENCE_MS, Presence
from schemas.watching import Told

ROUND_MS = 1_000
"""PROTOCOL.md section 2: once a second."""
AT_ONCE_MS = 200
"""Who begins to watch needn't wait for the next round; but no sooner than so long after
the last one began, however many ask."""


class Watching:
    """Of one lead. Instants are monotonic milliseconds, but for `stamp_ms`."""

    def __init__(
        self, bus: Bus, region: str, epoch: int, batcher: Batcher, flow: Flow
    ) -> None:
        self._bus = bus
        self._subject = subjects.watched(region)
        self._epoch = epoch
        self._batcher = batcher
        self._engine: Engine = batcher.engine
        self._flow = flow
        self._until_ms = -1
        """When the last gateway's word runs out."""
        self._picture: Picture | None = None
        """None: nobody watches."""
        self._wants_whole = False
        self._began_ms = 0
        self._round = ""
        """What the round that is under way tells: `whole` or `news`; empty: none is."""
        self._begins = False
        self._n = 0
        self._unsent: deque[bytes] = deque()
        self._waits_for = 0
        """The record that must be stored before they are sent."""

    def hear(self, news: Presence, now_ms: int) -> None:
        """A gateway's heartbeat."""
        if news.watch:
            self._until_ms = now_ms + PRESENCE_SILENCE_MS
            self._wants_whole |= news.watch == "whole"

    @property
    def is_watched(self) -> bool:
        return self._until_ms >= 0

    def tick(self, now_ms: int, stamp_ms: int, stored: int) -> None:
        """About ten times a second; `stored`: the last record that is."""
        if now_ms > self._until_ms:
            self._stop()
            return
        if self._picture is None:
            self._picture, self._wants_whole = Picture(), True
            self._began_ms = now_ms - ROUND_MS
        if self._unsent:
            self._send(stored)
            return
        if not self._round and not self._is_due(now_ms):
            return
        if not self._round:
            self._begin(self._picture, now_ms)
        self._look(self._picture, stamp_ms)
        self._send(stored)

    def _stop(self) -> None:
        self._until_ms = -1
        if self._picture is not None:
            self._picture, self._round = None, ""
            self._unsent.clear()

    def _is_due(self, now_ms: int) -> bool:
        pause_ms = AT_ONCE_MS if self._wants_whole else ROUND_MS
        return now_ms - self._began_ms >= pause_ms

    def _begin(self, picture: Picture, now_ms: int) -> None:
        self._began_ms = now_ms
        self._round = "whole" if self._wants_whole else "news"
        self._wants_whole, self._begins = False, True
        picture.begin(self._engine.regional, whole=self._round == "whole")

    def _look(self, picture: Picture, stamp_ms: int) -> None:
        told, ends = picture.look(self._engine.regional, stamp_ms)
        self._waits_for = self._batcher.n - self._batcher.empty
        pieces = list(told.in_pieces())
        for left, piece in enumerate(pieces, 1 - len(pieces)):
            self._queue(piece, stamp_ms, ends=ends and not left)
        if ends:
            self._round = ""

    def _queue(self, piece: Told, stamp_ms: int, *, ends: bool) -> None:
        if not (piece or self._begins or ends):
            return
        self._n += 1
        flags = b""
        if self._begins:
            flags += b',"begins":true'
            self._begins = False
        if self._round == "whole":
            flags += b',"whole":true'
        if ends:
            now = encode(figures(self._engine, self._flow, stamp_ms))
            flags += b',"ends":true,"figures":%b' % now
        head = b'"epoch":%d,"n":%d%b' % (self._epoch, self._n, flags)
        self._unsent.append(b"{%b,%b}" % (head, piece.lists))

    def _send(self, stored: int) -> None:
        if stored >= self._waits_for:
            while self._unsent:
                self._bus.send(self._subject, self._unsent.popleft())
