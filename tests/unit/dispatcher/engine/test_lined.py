"""A struct in lines: the document that it is as a whole, and its parts put together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from dispatcher.engine import lined
from dispatcher.engine.lined import Reader
from schemas import codec
from schemas.codec import CodecError


class Pair(Struct, frozen=True, array_like=True):
    name: str
    count: int


class Inner(Struct, frozen=True):
    marks: dict[str, int] = {}
    pairs: tuple[Pair, ...] = ()
    lost: Pair = Pair("", 0)
    last: int = 0


class Outer(Struct, frozen=True):
    v: int
    names: list[str] = []
    inner: Inner = Inner()
    maps: dict[str, tuple[Pair, ...]] = {}
    region: str = ""


class Newer(Struct, frozen=True):
    """What a later version may write."""

    v: int
    more: dict[str, list[int]] = {}
    flag: bool = False
    names: list[str] = []
    deep: Inner = Inner()
    region: str = ""


texts = st.text(max_size=8) | st.sampled_from(
    ["]", "}", "[", "{", ",", '"', "\n", ":{"]
)
pairs = st.builds(Pair, texts, st.integers(0, 9))
inners = st.builds(
    Inner,
    st.dictionaries(texts, st.integers(0, 9), max_size=40),
    st.lists(pairs, max_size=60).map(tuple),
    pairs,
    st.integers(0, 9),
)
outers = st.builds(
    Outer,
    st.integers(0, 9),
    st.lists(texts, max_size=60),
    inners,
    st.dictionaries(texts, st.lists(pairs, max_size=3).map(tuple), max_size=40),
    texts,
)


def put_together(shape: type[Any], document: bytes, step: int) -> dict[str, Any]:
    """All items of all parts, and the last part's fields."""
    reader = Reader(shape)
    parts = []
    for at in range(0, len(document), step):
        parts += reader.feed(document[at : at + step])
    last = reader.end()
    found: dict[str, Any] = {"names": [], "marks": {}, "pairs": [], "maps": {}}
    for part in [*parts, last]:
        assert part.v == last.v
        found["names"] += part.names
        if isinstance(part, Outer):
            found["marks"] |= part.inner.marks
            found["pairs"] += part.inner.pairs
            found["maps"] |= part.maps
            found["lost"], found["last"] = part.inner.lost, part.inner.last
    return {**found, "v": last.v, "region": last.region}


def plain(outer: Outer) -> dict[str, Any]:
    inner = outer.inner
    return {
        "names": outer.names,
        "marks": inner.marks,
        "pairs": list(inner.pairs),
        "maps": outer.maps,
        "lost": inner.lost,
        "last": inner.last,
        "v": outer.v,
        "region": outer.region,
    }


@given(outers, st.integers(1, 200))
def test_its_parts_are_the_whole_however_its_bytes_come(
    outer: Outer, step: int
) -> None:
    document = b"".join(lined.write(outer))
    assert codec.decode(document, Outer) == outer
    assert put_together(Outer, document, step) == plain(outer)


@given(outers, st.integers(1, 200))
def test_one_that_was_written_whole_is_read_too(outer: Outer, step: int) -> None:
    assert put_together(Outer, codec.encode(outer), step) == plain(outer)


@given(outers, st.data())
def test_one_that_is_cut_off_is_none(outer: Outer, data: st.DataObject) -> None:
    document = b"".join(lined.write(outer)).rstrip(b"\n")
    kept = data.draw(st.integers(0, len(document) - 1))
    with pytest.raises(CodecError):
        put_together(Outer, document[:kept], 100)


@given(outers, inners, st.integers(1, 200))
def test_fields_that_are_unknown_are_passed_over(
    outer: Outer, inner: Inner, step: int
) -> None:
    more = {name: [1, 2] for name in outer.names}
    newer = Newer(outer.v, more, True, outer.names, inner, outer.region)
    document = b"".join(lined.write(newer))
    found = put_together(Outer, document, step)
    assert (found["v"], found["names"], found["region"]) == (
        outer.v,
        outer.names,
        outer.region,
    )


def test_lines_are_short_whatever_is_in_them() -> None:
    large = Outer(1, names=["x" * 4_000] * 3_000 + ["y"] * 30_000)
    lines = list(lined.write(large))
    assert max(map(len, lines)) < 4 * lined.LINE_BYTES
    assert len(lines) < 300
    assert put_together(Outer, b"".join(lines), 1_000) == plain(large)


@given(
    st.lists(
        st.sampled_from([b"{\n", b"}\n", b"]\n", b'"v":1\n', b'"names":[\n']),
        max_size=9,
    )
)
def test_other_lines_are_refused_without_another_error(lines: list[bytes]) -> None:
    document = b"".join(lines)
    try:
        found = put_together(Outer, document, 7)
    except CodecError:
        return
    assert found["v"] == 1
