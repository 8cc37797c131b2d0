"""What operators watch: bounds, and how it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import CodecError, decode, encode
from schemas.watching import (
    PIECE_BYTES_MAX,
    Bounds,
    DriverRow,
    Figures,
    Told,
    WatchData,
    is_within,
    nothing,
)

FIJI: Bounds = (-20, 170, -10, -170)


@pytest.mark.parametrize(
    ("bounds", "place", "inside"),
    [
        ((0, 0, 10, 10), (5, 5), True),
        ((0, 0, 10, 10), (0, 10), True),
        ((0, 0, 10, 10), (10.001, 5), False),
        ((0, 0, 10, 10), (5, -0.001), False),
        ((5, 5, 5, 5), (5, 5), True),
        (FIJI, (-15, 175), True),
        (FIJI, (-15, -175), True),
        (FIJI, (-15, 0), False),
        (FIJI, (-15, 169.9), False),
        ((-90, -180, 90, 180), (90, 12), True),
        ((0, 170, 10, 180), (5, -180), True),
        ((0, -180, 10, -170), (5, 180), True),
        ((0, -170, 10, 170), (5, 180), False),
        (None, (5, 5), True),
        (None, (None, None), True),
        ((-90, -180, 90, 180), (None, None), False),
    ],
)
def test_what_is_within_bounds(
    bounds: Bounds | None, place: tuple[float | None, float | None], inside: bool
) -> None:
    assert is_within(bounds, *place) is inside


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"bounds":[1,2,3]}', "bounds must have 4 entries"),
        (b'{"bounds":[1,2,3,4,5]}', "bounds must have 4 entries"),
        (b'{"bounds":[2,0,1,0]}', "bounds must not have its south"),
        (b'{"bounds":[-90.01,0,0,0]}', "bounds[0] must be at least -90"),
        (b'{"bounds":[0,0,91,0]}', "bounds[2] must be at most 90"),
        (b'{"bounds":[0,-181,0,0]}', "bounds[1] must be at least -180"),
        (b'{"bounds":[0,0,0,180.1]}', "bounds[3] must be at most 180"),
        (b'{"bounds":[0,0,0,1e999]}', "bounds[3] is a number out of range"),
        (b'{"bounds":[0,0,0,"1"]}', "bounds[3] must be a number"),
        (b'{"bounds":[0,0,0,true]}', "bounds[3] must be a number"),
        (b'{"bounds":[0,0,0,null]}', "bounds[3] must be a number"),
        (b'{"bounds":{"south":1}}', "bounds must be"),
        (b'{"bounds":[0,0,0,NaN]}', "not JSON"),
    ],
)
def test_bad_bounds_are_told_in_words(data: bytes, why: str) -> None:
    with pytest.raises(CodecError, match="^" + why.replace("[", r"\[")) as told:
        decode(data, WatchData)
    assert "`" not in str(told.value)


def test_no_bounds_are_all_there_is() -> None:
    for data in (b"{}", b'{"bounds":null}', b'{"bounds":null,"zoom":3}'):
        assert decode(data, WatchData).bounds is None


@given(
    st.lists(st.lists(st.integers(0, 10**6)), min_size=4, max_size=4),
    st.integers(1, 60),
)
def test_pieces_are_all_of_it_in_order_and_no_larger(
    lists: list[list[int]], bytes_max: int
) -> None:
    told = Told(*[[encode(one) for one in each] for each in lists])
    pieces = list(told.in_pieces(bytes_max))
    joined = nothing()
    for piece in pieces:
        for name in Told._fields:
            getattr(joined, name).extend(getattr(piece, name))
        items = [item for name in Told._fields for item in getattr(piece, name)]
        assert len(items) == 1 or sum(len(item) + 1 for item in items) <= bytes_max + 1
    assert joined == told
    assert all(map(bool, pieces)) or len(pieces) == 1


def test_5000_drivers_of_the_longest_rows_are_pieces_within_512_kib() -> None:
    long = DriverRow(
        "d" * 64, -89.123456789012345, -179.12345678901234, 359.12345678901234,
        "offline", "t" * 64, 10**9,
    )  # fmt: skip
    figures = Figures(*[10**12] * 13, 0.123, 10**12, 10**12)
    told = Told([encode(long)] * 5_000, [], [], [])
    pieces = list(told.in_pieces())
    for piece in pieces:
        data = b'{"type":"ops.update","data":{%b,"figures":%b}}'
        assert len(data % (piece.lists, encode(figures))) <= PIECE_BYTES_MAX
    assert len(pieces) == 3
