import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EVENTS_PER_RECORD_MAX, record_of, seq_of
from schemas.times import from_rfc3339, rfc3339


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_comes_back_to_the_millisecond(at_ms: int) -> None:
    text = rfc3339(at_ms)
    assert len(text) == 24
    assert text.endswith("Z")
    assert from_rfc3339(text) == at_ms


def test_the_form_is_the_contracts() -> None:
    assert rfc3339(1_795_255_200_000) == "2026-11-21T10:00:00.000Z"
    assert rfc3339(1_795_255_200_007) == "2026-11-21T10:00:00.007Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.000000Z",
        "2026-11-21T11:00:00+01:00",
        "2026-11-21T04:30:00.0-05:30",
    ],
)
def test_any_offset_and_precision_is_read(text: str) -> None:
    assert from_rfc3339(text) == 1_795_255_200_000


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21", "2026-11-21T10:00:00", "2026-13-01T00:00:00Z"]
)
def test_what_is_no_instant_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_raises_value_error(text: str) -> None:
    try:
        assert isinstance(from_rfc3339(text), int)
    except ValueError:
        return


@given(st.integers(1, 2**40), st.integers(0, EVENTS_PER_RECORD_MAX - 1))
def test_a_seq_tells_its_record_and_only_grows(record: int, index: int) -> None:
    seq = seq_of(record, index)
    assert record_of(seq) == (record, index)
    assert seq_of(record, 0) <= seq < seq_of(record + 1, 0)
