"""What was lost between the leader and this gateway, asked for again.

A user's gap by `SyncUser` since what they have, the feed's by `SyncFeed`, which also
tells, once, what is open; a few hundred users at once, again after a pause where no
leader answers. gateway/fanout/user_stream.py and
gateway/fanout/channel.py see the gaps and put the answers in order; this carries the
questions.
"""

from collections import deque
from collections.abc import Callable, Iterator

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.fanout.region import Listener, Region
from gateway.leader.link import Courier
from gateway.limits import Limits
from schemas import codec, commands
from schemas.closes import Close
from schemas.commands import Answer, FeedData, SyncData
from schemas.events import FeedEntry
from schemas.trips import Role, User

log = structlog.get_logger()

NOTHING = 2**62
"""A number of the feed after which there is nothing."""


class Gaps:
    """`feed_ready` takes entries that may be delivered now, `synced` the state that an
    answer held.
    """

    def __init__(
        self,
        *,
        gateway: str,
        courier: Courier,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
        regions: dict[str, Region],
        feed_ready: Callable[[Region, list[FeedEntry]], None],
        synced: Callable[[Listener, SyncData], None],
    ) -> None:
        self._courier = courier
        self._ids = ids
        self._limits = limits
        self._now = now
        self._regions = regions
        self._feed_ready = feed_ready
        self._synced = synced
        self._unsynced: deque[Listener] = deque()
        self._syncing = 0
        self._retry: list[tuple[float, Callable[[], None]]] = []
        self._itself = User(gateway, "gateway", "", "", Role.OPERATOR)

    def check(self, listener: Listener) -> None:
        """Ask, if pushes are held and it isn't a first sync that will settle them."""
        recipient = listener.recipient
        if recipient.held is None or recipient.asking:
            if len(recipient.held or ()) > self._limits.held_max:
                close_all(listener, Close.RESYNC)
            return
        if all(seat.held is not None for seat in listener.seats):
            return
        log.warning("trip version gap", user=recipient.id, seq=recipient.seq)
        listener.hold()
        self._unsynced.append(listener)
        self._ask_users("gap")

    def hold(self, region: Region) -> None:
        """What comes may come behind something that is lost: keep it for `resync`."""
        region.feed.hold()
        for listener in region.listeners.values():
            if listener.recipient.held is None:
                listener.hold(region.seq)
                self._unsynced.append(listener)

    def resync(self, region: Region) -> None:
        """Ask for what may be lost of everything."""
        self.hold(region)
        self.ask_feed(region)
        self._ask_users("reconnect")

    def _ask_users(self, why: str) -> None:
        while self._unsynced and self._syncing < self._limits.resync_inflight_max:
            listener = self._unsynced.popleft()
            if not listener.seats:
                continue
            self._syncing += 1
            metrics.SYNCS.labels(why).inc()
            since = listener.recipient.seq

            def answered(answer: Answer, listener: Listener = listener) -> None:
                self._syncing -= 1
                self._settled(listener, answer)
                self._ask_users(why)

            refusal = self._courier.submit(
                listener.region.name,
                self.sync_command(listener.claims.user(), since),
                None,
                answered,
                self._now().mono_s,
            )
            if refusal is not None:
                self._syncing -= 1
                self._later(listener)

    def _settled(self, listener: Listener, answer: Answer) -> None:
        if not listener.seats:
            return
        if answer.data is None:
            self._later(listener)
            return
        region = listener.region
        region.flush()
        data = codec.decode(answer.data, SyncData)
        settled = listener.recipient.settle(data)
        if settled.lost:
            close_all(listener, Close.RESYNC)
            return
        if listener.recipient.role is Role.DRIVER:
            region.merge(listener, settled.frames)
            region.flush()
        else:
            region.give(listener, settled.frames)
        self.check(listener)
        self._synced(listener, data)

    def _later(self, listener: Listener) -> None:
        def again() -> None:
            self._unsynced.append(listener)
            self._ask_users("retry")

        at_s = self._now().mono_s + self._limits.resync_retry_s
        self._retry.append((at_s, again))

    def ask_feed(self, region: Region) -> None:
        feed = region.feed
        if not feed.must_ask or region.drivers_subscription is None:
            return
        feed.asking = True
        metrics.SYNCS.labels("feed").inc()

        def answered(answer: Answer) -> None:
            if region.feed is not feed:
                return
            self._fed(region, answer)

        if not self._submit_feed(region, feed.n, answered):
            self._feed_later(region)

    def _submit_feed(
        self,
        region: Region,
        since: int,
        answered: Callable[[Answer], None],
        *,
        open_trips: bool = False,
    ) -> bool:
        command = commands.SyncFeed(
            id=next(self._ids),
            deadline_ms=self._now().deadline_ms(self._limits.command_s),
            by=self._itself,
            since=since,
            open_trips=open_trips,
        )
        now_s = self._now().mono_s
        refusal = self._courier.submit(region.name, command, None, answered, now_s)
        return refusal is None

    def _fed(self, region: Region, answer: Answer) -> None:
        if answer.data is None:
            self._feed_later(region)
            return
        data = codec.decode(answer.data, FeedData)
        if not data.complete:
            log.warning("feed gap too old", region=region.name, n=region.feed.n)
            for listener in list(region.drivers.values()):
                close_all(listener, Close.RESYNC)
            if not region.drivers:
                return  # nobody listens any more: the next one's feed begins afresh
        for listener in region.drivers.values():
            if any(seat.later is not None for seat in listener.seats):
                region.merge(listener, [])
        self._feed_ready(region, region.feed.settle(data))

    def _feed_later(self, region: Region) -> None:
        feed = region.feed

        def again() -> None:
            feed.asking = False
            if region.feed is feed:
                self.ask_feed(region)

        at_s = self._now().mono_s + self._limits.resync_retry_s
        self._retry.append((at_s, again))

    # ---- what is open --------------------------------------------------------

    def ask_open(self, region: Region) -> None:
        """Ask which trips are open, unless that is under way."""
        known = region.open_trips
        if known.asking:
            return
        known.asking = True
        metrics.SYNCS.labels("open").inc()

        def answered(answer: Answer) -> None:
            if region.open_trips is known:
                self._opened(region, answer)

        if not self._submit_feed(region, NOTHING, answered, open_trips=True):
            self._open_later(region)

    def _opened(self, region: Region, answer: Answer) -> None:
        known = region.open_trips
        if answer.data is None:
            self._open_later(region)
            return
        known.asking = False
        data = codec.decode(answer.data, FeedData)
        if data.open_trips is None:
            known.unserved = region.epoch
        else:
            known.begin(data.n, data.open_trips, whole=data.open_whole)
            self._feed_ready(region, region.feed.start(data.n))
        waiting, region.unwelcomed = region.unwelcomed, []
        for again in waiting:
            again()

    def _open_later(self, region: Region) -> None:
        known = region.open_trips

        def again() -> None:
            known.asking = False
            if region.open_trips is known:
                self.ask_open(region)

        at_s = self._now().mono_s + self._limits.resync_retry_s
        self._retry.append((at_s, again))

    def led(self, region: Region, epoch: int) -> None:
        """Who leads now may be able to tell what is open."""
        region.epoch = epoch
        if region.open_trips.unserved not in {None, epoch}:
            region.open_trips.unserved = None
            self.ask_open(region)

    # ---- time ------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        due = [again for at_s, again in self._retry if at_s <= now_s]
        self._retry = [entry for entry in self._retry if entry[0] > now_s]
        for again in due:
            again()

    def sync_command(
        self, user: User, since: int | None, *, open_trips: bool = False
    ) -> commands.SyncUser:
        return commands.SyncUser(
            id=next(self._ids),
            deadline_ms=self._now().deadline_ms(self._limits.command_s),
            by=user,
            since=since,
            open_trips=open_trips,
        )


def close_all(listener: Listener, code: Close) -> None:
    for seat in list(listener.seats):
        seat.connection.close(code)
