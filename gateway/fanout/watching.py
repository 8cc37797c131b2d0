"""Operators' sessions that watch a region: one picture of it for all of them, and what
each is sent.

Says in this gateway's heartbeat that somebody watches, for as long as somebody does;
all that comes of it is one subscription. A session gets a piece when what it was sent
before has left, so that a slow one skips, and never holds anybody up.
"""

from collections import deque
from collections.abc import Sequence

import structlog
from msgspec import Struct

from gateway import framing, metrics
from gateway.clock import Clock
from gateway.fanout.picture import Picture, View
from gateway.fanout.region import Seat
from gateway.limits import Limits
from gateway.ports import Cancellable
from runtime.bus import Bus
from schemas import codec, subjects
from schemas.refusals import Code, Refusal
from schemas.rooms import Presence
from schemas.watching import Bounds, Glimpse, Told

log = structlog.get_logger()

PERIOD_S = 0.95
"""PROTOCOL.md section 2: an update a second; a leader's rounds may come a tick sooner
than that."""
BACKLOG_BYTES_MAX = 64 * 1024
"""Who hasn't taken so much is sent no other piece: 512 KiB more are within a
connection's budget."""
ASKED_MAX = 8
"""Watches of one session that wait for their answers: each is all there is."""


class _Asked(Struct, frozen=True):
    ref: str | None
    bounds: Bounds | None
    until_s: float


class _Watcher:
    __slots__ = ("asked", "pieces", "seat", "sent_s", "view")

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.asked: deque[_Asked] = deque()
        self.pieces: deque[bytes] = deque()
        """Frames of an answer, or of an update, that wait for those before."""
        self.view: View | None = None
        """None: not answered yet."""
        self.sent_s = 0.0


class _Region:
    def __init__(self, name: str) -> None:
        self.name = name
        self.picture = Picture()
        self.subscription: Cancellable | None = None
        self.watchers: dict[Seat, _Watcher] = {}
        self.said_s = 0.0
        self.cut: dict[tuple[Bounds | None, int], tuple[Sequence[bytes], View]] = {}
        """What was made of the picture as it is, by bounds and the turn last shown: who
        watches the same gets the same."""
        self.cut_turn = -1


class Watching:
    def __init__(self, *, gateway: str, bus: Bus, limits: Limits, now: Clock) -> None:
        self._gateway = gateway
        self._bus = bus
        self._limits = limits
        self._now = now
        self._regions: dict[str, _Region] = {}

    # ---- sessions ------------------------------------------------------------

    def watch(
        self, seat: Seat, ref: str | None, bounds: Bounds | None
    ) -> Refusal | None:
        """From now on within these bounds alone; answered with all there is there."""
        name = seat.listener.region.name
        region = self._regions.get(name) or self._begin(name)
        watcher = region.watchers.get(seat)
        if watcher is None:
            watcher = region.watchers[seat] = _Watcher(seat)
            metrics.WATCHERS.inc()
        if len(watcher.asked) >= ASKED_MAX:
            text = f"{ASKED_MAX} of this session wait for their answers"
            return Refusal(Code.RATE_LIMITED, text)
        now_s = self._now().mono_s
        until_s = now_s + self._limits.command_s
        watcher.asked.append(_Asked(ref, bounds, until_s))
        self._serve(region, watcher, now_s)
        return None

    def end(self, seat: Seat) -> None:
        """It watches no more, or is over. Idempotent."""
        region = self._regions.get(seat.listener.region.name)
        if region is None or region.watchers.pop(seat, None) is None:
            return
        metrics.WATCHERS.dec()
        if not region.watchers:
            if region.subscription is not None:
                region.subscription.cancel()
            del self._regions[region.name]

    def _begin(self, name: str) -> _Region:
        region = self._regions[name] = _Region(name)

        def told(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
            self._on_glimpse(region, payload)

        subject = subjects.watched(name)
        region.subscription = self._bus.subscribe_raw(subject, told)
        self._say(region, self._now().mono_s)
        return region

    # ---- the leader ----------------------------------------------------------

    def _say(self, region: _Region, now_s: float) -> None:
        """Somebody watches here."""
        region.said_s = now_s
        whole = region.picture.wants_whole
        news = Presence(self._gateway, watch="whole" if whole else "on")
        self._bus.send(subjects.presence(region.name), codec.encode(news))

    def _on_glimpse(self, region: _Region, payload: bytes) -> None:
        now_s = self._now().mono_s
        picture = region.picture
        was_whole = picture.is_whole
        try:
            has_news = picture.take(codec.decode(payload, Glimpse), now_s)
        except codec.CodecError as error:
            log.error("unreadable message", region=region.name, error=str(error))  # noqa: TRY400
            picture.lose()
            return
        if was_whole and picture.wants_whole:
            self._say(region, now_s)
        if has_news:
            self._serve_all(region, now_s)

    def tick(self, now_s: float) -> None:
        for region in list(self._regions.values()):
            if now_s - region.said_s >= self._limits.presence_s:
                self._say(region, now_s)
            self._serve_all(region, now_s)

    # ---- what sessions are sent ----------------------------------------------

    def _serve_all(self, region: _Region, now_s: float) -> None:
        for watcher in list(region.watchers.values()):
            self._serve(region, watcher, now_s)

    def _serve(self, region: _Region, watcher: _Watcher, now_s: float) -> None:
        seat = watcher.seat
        if seat.held is not None:
            return  # the welcome comes first
        while seat.writer.waiting_bytes <= BACKLOG_BYTES_MAX:
            if not watcher.pieces and not self._fill(region, watcher, now_s):
                break
            if watcher.pieces:
                seat.writer.write(watcher.pieces.popleft())
        self._give_up(watcher, now_s)

    def _fill(self, region: _Region, watcher: _Watcher, now_s: float) -> bool:
        """The next answer, or update; False: there is none."""
        picture = region.picture
        if watcher.asked and picture.is_whole:
            asked = watcher.asked.popleft()
            first, *others = self._cut(region, watcher, View(asked.bounds), now_s)
            watcher.pieces.append(framing.reply(asked.ref, first))
            watcher.pieces.extend(framing.push("ops.update", one) for one in others)
            watcher.sent_s = now_s
            return True
        view = watcher.view
        if view is None or view.turn >= picture.round_turn or not picture.is_whole:
            return False
        if now_s - watcher.sent_s < PERIOD_S:
            return False
        pieces = self._cut(region, watcher, view, now_s)
        watcher.pieces.extend(framing.push("ops.update", one) for one in pieces)
        if pieces:
            watcher.sent_s = now_s
        return bool(pieces)

    def _cut(
        self, region: _Region, watcher: _Watcher, view: View, now_s: float
    ) -> Sequence[bytes]:
        """`ops.update`s' data; none: nothing that this view shows has changed."""
        picture = region.picture
        if region.cut_turn != picture.turn:
            region.cut.clear()
            region.cut_turn = picture.turn
        known = region.cut.get((view.bounds, view.turn))
        if known is None:
            news = picture.news(view, now_s)
            pieces = _framed(news.told, picture.figures) if news.is_any else []
            known = region.cut[view.bounds, view.turn] = pieces, news.view
        watcher.view = known[1]
        return known[0]

    def _give_up(self, watcher: _Watcher, now_s: float) -> None:
        """Nobody tells: its leader is away, or of a release that doesn't."""
        while watcher.asked and now_s >= watcher.asked[0].until_s:
            ref = watcher.asked.popleft().ref
            refusal = Refusal(Code.UNAVAILABLE, "the region's leader doesn't tell")
            metrics.REFUSALS.labels(refusal.code.value).inc()
            watcher.seat.writer.write(framing.refused(ref, refusal))
        if watcher.view is None and not watcher.asked:
            self.end(watcher.seat)


def _framed(told: Told, figures: bytes) -> list[bytes]:
    pieces = told.in_pieces()
    return [b'{%b,"figures":%b}' % (one.lists, figures) for one in pieces]
