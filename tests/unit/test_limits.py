"""docs/LIMITS.md and the code are held to each other."""

import pytest

from schemas.codec import encode
from tests.sizes import constants, largest, table
from tests.sizes.rows_inside import NO_SIZE


def test_the_page_is_made_from_the_constants() -> None:
    assert table.PAGE.read_text() == table.page(), "run: python -m tests.sizes.table"


def test_every_limit_in_the_code_is_told_or_has_no_size() -> None:
    """A new one is put into a row of tests/sizes/table.py."""
    assert table.unlisted() == set()


def test_no_row_tells_of_a_limit_that_is_gone() -> None:
    told = table.listed() | set(NO_SIZE)
    assert told - set(constants.limits()) == set()


def test_every_row_has_a_size_and_an_owner() -> None:
    for _, rows in table.SECTIONS:
        for row in rows:
            assert row.size > 0, row.what
            assert row.whose, row.what
            assert row.beyond, row.what


@pytest.mark.parametrize(
    "text", ["\x01", "é", "😀", "\N{CJK UNIFIED IDEOGRAPH-4E00}", '"']
)
def test_no_character_takes_more_bytes_than_the_widest(text: str) -> None:
    assert len(encode(text)) <= len(encode(largest.WIDEST))


@pytest.mark.parametrize(
    ("count", "told"),
    [(64, "64 bytes"), (65536, "64 KiB"), (1536, "1.5 KiB"), (16 * 2**20, "16 MiB")],
)
def test_sizes_are_told_in_the_unit_that_fits(count: int, told: str) -> None:
    assert table.sized(count) == told
