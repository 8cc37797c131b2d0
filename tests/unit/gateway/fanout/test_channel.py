"""The feed of all drivers: its gaps are seen, held open and filled; no sockets."""

from gateway.fanout.channel import Feed, frame
from gateway.fanout.sync import Sync
from schemas.commands import FeedData
from schemas.events import FeedEntry
from tests.contract.gateway_ws.scripted_leader import entry


def numbers(entries: list[FeedEntry]) -> list[int]:
    return [e.n for e in entries]


def test_an_unknown_feed_holds_until_it_is_known() -> None:
    feed = Feed()
    assert feed.receive([entry(5, 50, {}), entry(6, 51, {})]) == []
    assert not feed.has_gap
    assert numbers(feed.start(5)) == [6]
    assert feed.start(5) == []


def test_an_empty_feed_starts_at_zero() -> None:
    feed = Feed()
    assert feed.start(0) == []
    assert numbers(feed.receive([entry(1, 50, {})])) == [1]
    assert numbers(feed.receive([entry(3, 50, {})])) == []
    assert feed.has_gap


def test_a_feed_gap_holds_until_it_is_filled_without_repeats() -> None:
    feed = Feed()
    feed.start(5)
    assert numbers(feed.receive([entry(6, 60, {}), entry(8, 80, {})])) == [6]
    assert feed.has_gap
    assert feed.receive([entry(9, 90, {})]) == []
    filled = FeedData(8, [entry(7, 70, {}), entry(8, 80, {})], complete=True)
    assert numbers(feed.settle(filled)) == [7, 8, 9]
    assert feed.sync is Sync.IN_STEP


def test_an_announcement_ahead_of_us_shows_a_gap_and_one_behind_does_not() -> None:
    feed = Feed()
    feed.announced(9)
    assert not feed.has_gap
    feed.start(5)
    feed.announced(5)
    assert not feed.has_gap
    feed.announced(6)
    assert feed.has_gap


def test_what_was_passed_on_meanwhile_is_not_filled_in_again() -> None:
    feed = Feed()
    feed.start(5)
    assert numbers(feed.receive([entry(6, 60, {})])) == [6]
    feed.lose()
    filled = FeedData(7, [entry(6, 60, {}), entry(7, 70, {})], complete=True)
    assert numbers(feed.settle(filled)) == [7]


def test_an_entry_is_a_frame_with_its_seq() -> None:
    sent = frame(entry(7, 70, {"id": "t"}))
    assert sent.endswith(b'"seq":70,"data":{"id":"t"}}')
