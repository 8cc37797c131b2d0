import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persistence.projected import messages
from persistence.projected.messages import MessageRow, Span, visible, within
from persistence.projected.projection import EventRow, original, read_record
from schemas import codec
from schemas.events import seq_of
from tests.support.records import (
    LEDGER,
    T0_MS,
    event,
    joined,
    message,
    record,
    trip,
)

STREAM = "LEDGER_oslo"


def test_a_message_event_becomes_a_row_with_its_place_in_the_ledger() -> None:
    said = msgspec.structs.replace(message("lobby", 3, "hello"), key="k")
    (row,), bad = read_record(STREAM, 9, record(9, joined("lobby", "u1"), said))
    assert bad == []
    assert isinstance(row, MessageRow)
    assert row.place == seq_of(9, 1)
    assert messages.message_values(row) == {
        "ledger": LEDGER,
        "seq": seq_of(9, 1),
        "region": "oslo",
        "room": "lobby",
        "n": 3,
        "id": said.message.id,
        "sender_id": "u1",
        "sender_username": "user1",
        "sender_first_name": "Ada",
        "sender_last_name": "Löw",
        "text": "hello",
        "sent_at_ms": T0_MS + 3000,
        "key": "k",
        "traceparent": None,
    }


def test_members_have_no_rows() -> None:
    payload = record(1, joined("lobby", "u1"), joined("lobby", "u1", joined=False))
    assert read_record(STREAM, 1, payload) == ([], [])


def test_trips_and_messages_of_one_record_keep_their_order() -> None:
    payload = record(1, event(trip(1)), message("lobby", 1), event(trip(2)))
    rows, _ = read_record(STREAM, 1, payload)
    assert [type(row) for row in rows] == [EventRow, MessageRow, EventRow]


@pytest.mark.parametrize(
    "change",
    [{"text": None}, {"seq": "1"}, {"at": "yesterday"}, {"sender": {}}, {"room": 5}],
)
def test_a_message_that_cant_be_read_takes_no_neighbour_with_it(
    change: dict[str, object],
) -> None:
    plain = msgspec.json.decode(
        record(4, message("lobby", 1), message("lobby", 2), event(trip(1)))
    )
    plain["events"][0]["message"].update(change)
    rows, (letter,) = read_record(STREAM, 4, codec.encode(plain))
    assert [type(row) for row in rows] == [MessageRow, EventRow]
    assert (letter.ledger, letter.place) == (LEDGER, seq_of(4, 0))


def test_the_original_of_a_message_row_is_the_event_byte_for_byte() -> None:
    payload = record(4, joined("lobby", "u"), message("lobby", 1, "one"))
    (row,), _ = read_record(STREAM, 4, payload)
    letter = original(row, "why")
    assert letter.place == seq_of(4, 1)
    assert letter.payload in payload
    assert b'"text":"one"' in letter.payload


def test_each_room_of_each_ledger_has_one_row_sorted_by_key() -> None:
    own = "trip_" + trip(1).id
    said = [message("b", 7), message("a", 2), message(own, 1), message("b", 5)]
    rows, _ = read_record(STREAM, 1, record(1, *said))
    values = messages.room_values(row for row in rows if isinstance(row, MessageRow))
    assert [one["name"] for one in values] == ["a", "b", own]
    assert values[1] == {
        "region": "oslo",
        "name": "b",
        "ledger": LEDGER,
        "first_n": 5,
        "last_n": 7,
        "last_at_ms": T0_MS + 7000,
        "trip_id": None,
    }
    assert values[2]["trip_id"] == trip(1).id


def test_one_ledgers_messages_are_all_visible() -> None:
    assert visible([Span("a", 1, 9, 5)], None) == [Span("a", 1, 9, 5)]
    assert visible([Span("a", 1, 9, 5)], 4) == [Span("a", 1, 3, 5)]
    assert visible([Span("a", 1, 9, 5)], 1) == []


def test_a_ledger_that_goes_on_counting_shows_the_one_before_too() -> None:
    spans = [Span("old", 1, 9, 5), Span("new", 10, 12, 8)]
    assert visible(spans, None) == [Span("new", 10, 12, 8), Span("old", 1, 9, 5)]
    assert visible(spans, 10) == [Span("old", 1, 9, 5)]


def test_a_ledger_that_counts_anew_hides_the_same_numbers_of_the_one_before() -> None:
    spans = [Span("old", 1, 900, 5), Span("new", 1, 2, 8)]
    assert visible(spans, None) == [Span("new", 1, 2, 8)]
    assert visible(spans, 500) == [Span("new", 1, 2, 8)]


numbers = st.integers(-3, 30)
some_spans = st.lists(
    st.builds(
        lambda at, pair: Span(str(at), min(pair), max(pair), at),
        st.integers(0, 9),
        st.tuples(numbers, numbers),
    ),
    max_size=4,
    unique_by=lambda span: span.last_at_ms,
)


@given(some_spans, st.none() | numbers)
@settings(max_examples=200)
def test_what_is_visible_falls_and_never_overlaps(
    spans: list[Span], before: int | None
) -> None:
    shown = [
        n for span in visible(spans, before) for n in (span.last_n, span.first_n - 1)
    ]
    assert shown == sorted(shown, reverse=True)
    assert before is None or all(n < before for n in shown)


@given(some_spans, numbers)
@settings(max_examples=200)
def test_a_later_page_shows_what_the_whole_shows_below_it(
    spans: list[Span], before: int
) -> None:
    def shown(below: int | None) -> list[tuple[str, int]]:
        return [
            (span.ledger, n)
            for span in visible(spans, below)
            for n in range(span.last_n, span.first_n - 1, -1)
        ]

    assert shown(before) == [one for one in shown(None) if one[1] < before]


def test_a_page_stays_within_its_bytes_but_has_one_message() -> None:
    assert within([b"aaaa", b"bbbb", b"cccc"], 10) == [b"aaaa", b"bbbb"]
    assert within([b"aaaa", b"bbbb"], 1) == [b"aaaa"]
    assert within([], 1) == []
