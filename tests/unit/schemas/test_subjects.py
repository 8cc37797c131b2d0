"""Subjects: what is built reads back, and hostile tokens never get in."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import streams, subjects

ONE_TOKEN: list[Callable[[str], str]] = [
    subjects.commands,
    subjects.all_replies,
    subjects.drivers,
    subjects.locations,
    subjects.leader,
    subjects.ping,
    subjects.handover,
    subjects.ledger,
    subjects.matches,
    subjects.accounts,
    subjects.history,
    subjects.webhooks,
    subjects.deliveries,
    subjects.revoked,
    subjects.operations,
    subjects.erased,
    subjects.token,
]
TWO_TOKENS: list[Callable[[str, str], str]] = [
    subjects.replies,
    subjects.user,
    subjects.notice,
    subjects.trip,
    subjects.room,
]
GOOD = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
ATTACKS = ["*", ">", ".", "a.b", "a.>", "a b", "a\tb", "a\r\nPUB x 0", "\x00", "", "é"]


def refuses(build: Callable[..., Any], *tokens: Any) -> None:
    with pytest.raises(subjects.SubjectError):
        build(*tokens)


@pytest.mark.parametrize("attack", [*ATTACKS, "a" * 65, "a\n"], ids=repr)
def test_an_attack_is_refused_in_every_place(attack: str) -> None:
    for one in ONE_TOKEN:
        refuses(one, attack)
    for two in TWO_TOKENS:
        refuses(two, attack, "good")
        refuses(two, "good", attack)


@given(st.text(max_size=80))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        assert subjects.token(text) == text
    else:
        refuses(subjects.token, text)


@given(GOOD, GOOD)
def test_a_built_subject_has_just_its_tokens(first: str, second: str) -> None:
    for one in ONE_TOKEN[2:-1]:
        assert one(first).split(".")[1:] == [first]
    for two in TWO_TOKENS:
        assert two(first, second).split(".")[1:] == [first, second]


@given(GOOD, GOOD)
def test_a_reply_subject_tells_its_region(gateway: str, region: str) -> None:
    built = subjects.replies(gateway, region)
    assert subjects.region_of_reply(built) == region


def test_the_place_to_count_a_notice_is_of_the_shape_of_notices() -> None:
    built = subjects.heard("0123456789abcdef", 7)
    assert re.fullmatch(subjects.ALL_NOTICES.replace("*", r"[\w-]+"), built)
    for attack in ATTACKS[:-2]:
        refuses(subjects.heard, attack, 1)


@given(GOOD, st.integers(0, 2**53))
def test_a_result_subject_tells_its_number(asker: str, number: int) -> None:
    assert subjects.number_of_result(subjects.result(asker, number)) == number


def test_no_two_kinds_of_subject_overlap() -> None:
    built = [build("x") for build in ONE_TOKEN[:-1]]
    built += [build("x", "y") for build in TWO_TOKENS]
    assert len(set(built)) == len(built)


@given(GOOD)
def test_a_ledger_stream_tells_its_region(region: str) -> None:
    spec = streams.ledger(region)
    assert streams.region_of_ledger(spec.name) == region
    assert spec.subjects == (subjects.ledger(region),)
    assert streams.region_of_ledger(streams.REVOCATIONS) is None


def test_every_subject_is_one_of_its_pattern() -> None:
    """What permissions are given on is what is built."""
    patterns = {
        value for name, value in vars(subjects).items() if name.startswith("ALL_")
    }
    built = {build("a") for build in (subjects.commands, *ONE_TOKEN[2:-1])}
    built |= {build("a", "b") for build in TWO_TOKENS}
    built |= {subjects.presence("a"), subjects.result("a", 1)}
    built |= {subjects.result("a", 1, subjects.DELIVERY_RESULTS)}
    shapes = {
        ".".join([subject.split(".")[0], *"*" * subject.count(".")])
        for subject in built
    }
    assert shapes == patterns
