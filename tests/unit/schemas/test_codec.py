"""The codec: every struct comes back as it went, and bytes raise CodecError or none."""

import contextlib
import importlib
import math
import pkgutil
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from schemas.accounts import Result, Revocation, SignUp
from schemas.claims import Claims
from schemas.codec import LENIENT_BYTES_MAX, CodecError, Raw, decode, encode, lenient
from schemas.commands import Answers, AnyCommand, SyncData
from schemas.events import Event, FeedEntry, UserPush
from schemas.frames import ClientFrame, Login, RequestTripData
from schemas.ledger import Record
from schemas.trips import OpenTrip, Trip

READ_FROM_OUTSIDE: list[Any] = [
    ClientFrame,
    Login,
    RequestTripData,
    list[AnyCommand],
    Answers,
    SyncData,
    Event,
    UserPush,
    list[FeedEntry],
    Record,
    Trip,
    Claims,
    SignUp,
    Result,
    Revocation,
]


def structs() -> list[Any]:
    """Every struct of every module of `schemas`."""
    found = {}
    for module in pkgutil.iter_modules(schemas.__path__):
        for value in vars(importlib.import_module(f"schemas.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, msgspec.Struct):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    found.pop("msgspec.Struct", None)
    return [found[name] for name in sorted(found)]


def example(kind: Any) -> Any:
    """A value of that type, of plain JSON data, as full as it can be."""
    info = msgspec.inspect
    match kind:
        case info.Metadata():
            return example(kind.type)
        case info.StructType():
            made = {f.encode_name: example(f.type) for f in kind.fields}
            if kind.array_like:
                return list(made.values())
            return made | ({kind.tag_field: kind.tag} if kind.tag_field else {})
        case info.UnionType():
            return example(next(t for t in kind.types if t != info.NoneType()))
        case info.StrType():
            least = kind.min_length or 1
            return "a" * least
        case info.DateTimeType():
            return "2026-11-29T10:00:00Z"
        case info.EnumType():
            return next(iter(kind.cls)).value
        case info.LiteralType():
            return kind.values[0]
        case info.IntType() | info.FloatType():
            return max(7, kind.ge or 0)
        case info.BoolType():
            return True
        case info.ListType() | info.VarTupleType() | info.FrozenSetType():
            return [example(kind.item_type)]
        case info.TupleType():
            return [example(item) for item in kind.item_types]
        case info.DictType():
            return {"k": example(kind.value_type)}
        case info.NoneType():
            return None
    return {"any": ["thing"]}


@pytest.mark.parametrize("shape", structs(), ids=lambda shape: shape.__qualname__)
def test_every_struct_round_trips(shape: Any) -> None:
    plain = example(msgspec.inspect.type_info(shape))
    first = decode(encode(plain), shape)
    assert isinstance(first, shape)
    text = encode(first)
    assert encode(decode(text, shape)) == text


def test_the_round_trip_meets_the_structs_that_matter() -> None:
    names = {shape.__qualname__ for shape in structs()}
    assert {"Trip", "TripEvent", "Record", "ClientFrame", "Claims"} <= names


@pytest.mark.parametrize("shape", READ_FROM_OUTSIDE, ids=str)
@settings(max_examples=60)
@given(payload=st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_codec_error(shape: Any, payload: bytes) -> None:
    with contextlib.suppress(CodecError):
        decode(payload, shape)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["do", "kind", "id", "type", "data", "by", "iat", "x"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("shape", READ_FROM_OUTSIDE, ids=str)
@settings(max_examples=40)
@given(value=JSON)
def test_any_json_raises_nothing_but_codec_error(shape: Any, value: Any) -> None:
    with contextlib.suppress(CodecError):
        decode(encode(value), shape)


@pytest.mark.parametrize(
    "payload",
    [b"[" * 100_000, b'{"a":' * 100_000, b"", b"\x00", b"\xff", b'"\xed\xa0\x80"'],
    ids=lambda payload: repr(payload[:10]),
)
def test_what_breaks_naive_decoders_is_a_codec_error(payload: bytes) -> None:
    for shape in (ClientFrame, dict[str, Any], list[Any], Any):
        with pytest.raises(CodecError):
            decode(payload, shape)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_never_gets_in(number: str) -> None:
    try:
        read = decode(f'{{"lat": {number}}}'.encode(), dict[str, float])
    except CodecError:
        return
    assert math.isfinite(read["lat"])


def test_what_is_read_leniently_is_no_longer_than_it_may_be() -> None:
    most = b'"%b"' % (b"x" * (LENIENT_BYTES_MAX - 2))
    assert lenient(Raw(most)) == most[1:-1].decode()
    assert lenient(Raw(b" " + most)) is None
    assert lenient(decode(b"[[1],%b]" % most, list[Raw])[0]) == [1]


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(CodecError, match="pick_up_address"):
        decode(b'{"pick_up_address": "", "drop_off_address": "B"}', RequestTripData)


def test_a_driver_who_is_not_the_trips_learns_no_names() -> None:
    trip = decode(encode(example(msgspec.inspect.type_info(Trip))), Trip)
    shown = msgspec.json.decode(encode(OpenTrip.of(trip)))
    assert shown["rider"].keys() == {"id", "first_name"}
    assert shown["driver"] is None
    assert shown.keys() == msgspec.json.decode(encode(trip)).keys()
