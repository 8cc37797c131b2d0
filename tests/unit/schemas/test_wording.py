"""What is wrong with a client's data is told in words fit for its user."""

import json
import re
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from schemas import forms, frames, rooms
from schemas.codec import CodecError, decode
from schemas.wording import plain

TRIP = {"pick_up_address": "A", "drop_off_address": "B"}


class Odd(Struct):
    """What the contract's own shapes don't have."""

    count: Annotated[int, Meta(ge=1)] = 1
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    tags: Annotated[list[Annotated[str, Meta(pattern="^a$")]], Meta(max_length=1)] = []
    by_name: dict[str, int] = {}
    flag: bool = False


@pytest.mark.parametrize(
    ("data", "shape", "said"),
    [
        (
            {"drop_off_address": "B"},
            frames.RequestTripData,
            "pick_up_address is missing",
        ),
        ([], frames.RequestTripData, "the data must be an object, not a list"),
        (None, frames.RequestTripData, "the data must be an object, not null"),
        (
            TRIP | {"pick_up_address": 5},
            frames.RequestTripData,
            "pick_up_address must be text, not a whole number",
        ),
        (
            TRIP | {"pick_up_address": ""},
            frames.RequestTripData,
            "pick_up_address must have at least 1 character",
        ),
        (
            TRIP | {"drop_off_address": "x" * 256},
            frames.RequestTripData,
            "drop_off_address must have at most 255 characters",
        ),
        (
            TRIP | {"pick_up_address": "a\0"},
            frames.RequestTripData,
            "pick_up_address can't hold the character U+0000",
        ),
        (
            TRIP | {"pick_up": {"lat": 91, "lon": 0}},
            frames.RequestTripData,
            "pick_up.lat must be at most 90",
        ),
        (
            TRIP | {"pick_up": {"lat": 9}},
            frames.RequestTripData,
            "pick_up.lon is missing",
        ),
        (
            TRIP | {"pick_up": "here"},
            frames.RequestTripData,
            "pick_up must be an object or null, not text",
        ),
        (
            {"lat": 1, "lon": -181},
            frames.LocationData,
            "lon must be at least -180",
        ),
        (
            {"id": "t", "status": "FLYING"},
            frames.UpdateTripData,
            "status can't be 'FLYING'",
        ),
        (
            {"id": "t", "status": "F" * 60_000},
            frames.UpdateTripData,
            f"status can't be '{'F' * 63}…",
        ),
        (
            {"room": "a.b"},
            rooms.JoinRoomData,
            "room must be 1 to 64 letters (A to Z), digits, “-” or “_”",
        ),
        ({"count": 0}, Odd, "count must be at least 1"),
        ({"ratio": 0}, Odd, "ratio must be over 0"),
        ({"ratio": 1}, Odd, "ratio must be under 1"),
        ({"tags": ["a", "a"]}, Odd, "tags must have at most 1 entry"),
        ({"tags": ["b"]}, Odd, "tags[0] is not of the form that is asked for"),
        ({"tags": "a"}, Odd, "tags must be a list, not text"),
        (
            {"by_name": {"x": "y"}},
            Odd,
            "by_name[...] must be a whole number, not text",
        ),
        ({"flag": 1}, Odd, "flag must be true or false, not a whole number"),
    ],
)
def test_what_does_not_fit_is_told_in_words(data: Any, shape: Any, said: str) -> None:
    with pytest.raises(CodecError) as told:
        decode(json.dumps(data).encode(), shape)
    assert str(told.value) == said


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"type"', "the JSON ends too early"),
        (b'{"type": tru}', "not JSON: invalid character (byte 10)"),
        (b'{"count": 1e400}', "count is a number out of range"),
    ],
)
def test_what_is_no_json_is_told_in_words(payload: bytes, said: str) -> None:
    with pytest.raises(CodecError) as told:
        decode(payload, Odd)
    assert str(told.value) == said


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from([*TRIP, "pick_up", "drop_off", "idempotency_key"])


@given(data=ANY | st.dictionaries(FIELDS, ANY).map(lambda more: TRIP | more))
def test_no_sentence_of_the_decoder_is_left(data: Any) -> None:
    told = ""
    try:
        decode(json.dumps(data).encode(), frames.RequestTripData)
    except CodecError as error:
        told = str(error)
    assert not re.search(r"Expected `|missing required|at `\$", told)


def test_every_form_is_told_in_words_of_its_own() -> None:
    for pattern, words in forms.WORDS.items():
        message = f"Expected `str` matching regex {pattern!r} - at `$.name`"
        assert plain(message) == f"name {words}"


def test_what_nobody_foresaw_is_passed_on_with_its_field() -> None:
    assert plain("Something new - at `$.a.b`") == "a.b: Something new"
    assert plain("Something new") == "Something new"
