"""Carries what a stored record says to those who should know it.

Order is the contract (ARCHITECTURE.md): events of a record, then its answers, all on
the connection that writes the ledger, before the next record. Decides nothing.
"""

from collections.abc import Sequence

import structlog

from dispatcher import metrics
from dispatcher.batch import Entry
from dispatcher.engine import feed_entry
from runtime.bus import Bus
from schemas import subjects
from schemas.codec import encode
from schemas.commands import Announcement, Answer, Answers
from schemas.events import DriverEvent, Event, FeedEntry, TripEvent
from schemas.rooms import MemberEvent, MessageEvent

log = structlog.get_logger()

MESSAGE_BYTES_MAX = 512 * 1024
"""Half the server's default `max_payload`; more than it takes several messages."""


class Publisher:
    """All methods: False where the connection took not all of it."""

    def __init__(self, bus: Bus, region: str) -> None:
        self._bus = bus
        self._region = region

    def events(self, events: Sequence[Event], encoded: Sequence[bytes]) -> bool:
        """Each to its subjects, by `seq`; feed entries gather while only riders are
        concerned. A driver gets two subjects, so in any other order one of them might
        be a read, or a leader's death, behind the other, and `seq` would fall.
        """
        sent = True
        feed: list[FeedEntry] = []
        for event, payload in zip(events, encoded, strict=True):
            if type(event) is TripEvent and event.restored:
                continue
            if feed and not (type(event) is TripEvent and len(event.audience) == 1):
                sent = self._feed(feed) and sent
                feed = []
            try:
                sent = self._event(event, payload) and sent
            except subjects.SubjectError as error:
                # Ids are checked before anything is decided: a foreign record's.
                log.error("event names no subject", seq=event.seq, error=str(error))  # noqa: TRY400
                continue
            entry = feed_entry(event) if type(event) is TripEvent else None
            if entry is not None:
                feed.append(entry)
        return self._feed(feed) and sent

    def _event(self, event: Event, payload: bytes) -> bool:
        region = self._region
        send = self._bus.send
        if type(event) is MessageEvent:
            return send(subjects.room(region, event.message.room), payload)
        if type(event) is MemberEvent:
            return send(subjects.room(region, event.room), payload)
        if type(event) is DriverEvent:
            return send(subjects.user(region, event.driver), payload)
        assert type(event) is TripEvent
        sent = True
        for user in event.audience:
            sent = send(subjects.user(region, user), payload) and sent
        return send(subjects.trip(region, event.trip.id), payload) and sent

    def _feed(self, feed: list[FeedEntry]) -> bool:
        sent = True
        subject = subjects.drivers(self._region)
        start = size = 0
        for index, entry in enumerate(feed):
            size += len(entry.data) + 128 + 48 * len(entry.exclude)
            if size > MESSAGE_BYTES_MAX:
                sent = self._bus.send(subject, encode(feed[start:index])) and sent
                start, size = index, 0
        if feed[start:]:
            sent = self._bus.send(subject, encode(feed[start:])) and sent
        return sent

    def answers(self, epoch: int, entries: Sequence[Entry]) -> bool:
        sent = True
        grouped: dict[str, list[Answer]] = {}
        sizes: dict[str, int] = {}
        for entry in entries:
            reply = entry.reply
            answer = entry.answer
            size = 256 + (len(answer.data) if answer.data is not None else 0)
            group = grouped.setdefault(reply, [])
            sizes[reply] = total = sizes.get(reply, 0) + size
            if group and total > MESSAGE_BYTES_MAX:
                sent = self._answers(reply, epoch, group) and sent
                grouped[reply] = [answer]
                sizes[reply] = size
            else:
                group.append(answer)
        for reply, group in grouped.items():
            sent = self._answers(reply, epoch, group) and sent
        return sent

    def _answers(self, reply: str, epoch: int, answers: list[Answer]) -> bool:
        if self._bus.send(reply, encode(Answers(epoch, answers))):
            return True
        metrics.dropped.labels(self._region, "undeliverable").inc(len(answers))
        return False

    def announce(self, epoch: int, instance: str, seq: int, feed: int) -> bool:
        announcement = Announcement(self._region, epoch, instance, seq, feed)
        return self._bus.send(subjects.leader(self._region), encode(announcement))
