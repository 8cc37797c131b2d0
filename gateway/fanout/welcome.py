"""A session's welcome: asked of the leader, and what its answer means.

No I/O but for writing to the session's connection.
"""

from collections.abc import Iterable

import structlog

from gateway import framing
from gateway.fanout.questions import check, sync_user
from gateway.fanout.region import Seat
from gateway.fanout.resync import Effect, Fed, Head, Synced
from gateway.fanout.user_stream import Stamped, live_offers, missed
from gateway.limits import Limits
from schemas import codec, frames
from schemas.claims import Claims
from schemas.closes import Close
from schemas.codec import Raw
from schemas.commands import Answer, SyncData, SyncUser
from schemas.trips import Role

log = structlog.get_logger()

NOT_ASKED = Raw(b"null")


class Welcome:
    """`since`: what the client has; None: nothing."""

    __slots__ = ("_claims", "_limits", "_since", "seat")

    def __init__(
        self, seat: Seat, claims: Claims, since: int | None, limits: Limits
    ) -> None:
        self.seat = seat
        self._claims = claims
        self._since = since
        self._limits = limits

    @property
    def is_over(self) -> bool:
        """The session is."""
        return self.seat not in self.seat.listener.seats

    def command(self, head: Head) -> SyncUser:
        region = self.seat.listener.region
        is_told = region.open_trips.unserved is not None
        return sync_user(head, self._claims.user(), self._since, open_trips=is_told)

    def told(self, answer: Answer) -> Iterable[Effect] | None:
        """What to do once it is out; None: ask again when it is known what is open."""
        seat, claims = self.seat, self._claims
        if self.is_over or seat.held is None:
            return ()
        if answer.data is None:
            code = answer.refused.code if answer.refused else None
            log.warning("no welcome", user=claims.sub, session=claims.sid, code=code)
            seat.connection.close(Close.TRY_AGAIN_LATER)
            return ()
        data = codec.decode(answer.data, SyncData)
        listener = seat.listener
        region = listener.region
        open_trips: Raw | None = data.open_trips
        if open_trips == NOT_ASKED:
            open_trips = region.open_trips.at(data.feed)
        if open_trips is None:
            return None
        held, seat.held = seat.held, None
        seat.cursor = data.seq
        seat.writer.write(self._frame(data, open_trips))
        if data.recovered:
            for _, frame in missed(data):
                seat.writer.write(frame)
        seat.connection.live()
        held_max = self._limits.held_max
        for seq, frame in held:
            seat.give(seq, frame, held_max)
        stamped = listener.stream.start(data)
        return self._hand_on(stamped, data)

    def _hand_on(self, stamped: list[Stamped], data: SyncData) -> Iterable[Effect]:
        """What came meanwhile; each effect after those before it."""
        listener = self.seat.listener
        region = listener.region
        if self._claims.role is Role.DRIVER:
            # Either may hold the first of one record's events: merged by `seq`.
            region.merge(listener, stamped)
            yield Fed(region, region.feed.start(data.feed), at_once=True)
        else:
            region.give(listener, stamped)
        yield from check(listener, self._limits.held_max)
        yield Synced(listener, data)

    def _frame(self, data: SyncData, open_trips: Raw) -> bytes:
        claims = self._claims
        welcome = frames.WelcomeData(
            claims.user(),
            claims.sid,
            claims.region,
            data.seq,
            self._limits.ping_s,
            data.trips,
            open_trips,
            data.recovered,
        )
        if claims.role is Role.DRIVER:
            welcome.online = data.online
            welcome.offers = [shown for shown, _ in live_offers(data)]
        return framing.text(codec.encode(frames.Welcome(welcome)))
