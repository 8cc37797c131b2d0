import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (GOOD, GOOD),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        # Level 2's random flag and what may come are not ours to set.
        (f"00-{TRACE}-{SPAN}-03", GOOD),
        (f"00-{TRACE}-{SPAN}-02", f"00-{TRACE}-{SPAN}-00"),
        # A later version is read as far as we know it.
        (f"cc-{TRACE}-{SPAN}-01-what-comes", GOOD),
        (f"cc-{TRACE}-{SPAN}-01", GOOD),
    ],
)
def test_a_context_is_passed_on_as_version_00(text: str, read: str) -> None:
    assert traceparent.read(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        7,
        {"trace": TRACE},
        GOOD + "-more",
        GOOD.upper(),
        GOOD + "\n",
        f" {GOOD}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\r\nNats-Expected-Stream: X",
    ],
)
def test_what_is_no_context_counts_as_none(text: object) -> None:
    assert traceparent.read(text) == ""


@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-.*")))
def test_whatever_is_read_can_be_read_again(text: str) -> None:
    read = traceparent.read(text)
    assert traceparent.read(read) == read


def test_a_nats_header_block_carries_it() -> None:
    block = traceparent.block(GOOD)
    assert block == b"NATS/1.0\r\ntraceparent: %b\r\n\r\n" % GOOD.encode()
    assert traceparent.of_block(block) == GOOD


@pytest.mark.parametrize(
    "block",
    [b"", b"NATS/1.0 503\r\n\r\n", b"NATS/1.0\r\ntraceparent: \xff\r\n\r\n"],
)
def test_a_block_without_one_carries_none(block: bytes) -> None:
    assert traceparent.of_block(block) == ""
    assert traceparent.block("") == b""


def test_other_clients_spell_the_header_s_name_as_they_like() -> None:
    block = b"NATS/1.0\r\nA: b\r\nTraceparent:%b\r\n\r\n" % GOOD.encode()
    assert traceparent.of_block(block) == GOOD


def test_the_flag_says_whether_it_is_sampled() -> None:
    assert traceparent.is_sampled(GOOD)
    assert not traceparent.is_sampled(GOOD[:-1] + "0")
    assert not traceparent.is_sampled("")
    assert traceparent.ids(GOOD) == (TRACE, SPAN)
