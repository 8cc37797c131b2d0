"""What people may be called, and which usernames are one."""

import re
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import forms
from schemas.accounts import Name, Username
from schemas.names import CHARS_MAX, UsernameError, key, shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "ann"),
        ("ANN@Example.COM", "ann@example.com"),
        ("René", "Rene\u0301"),
        ("RENÉ", "rené"),
        ("\uff21\uff2e\uff2e", "ann"),  # full-width
        ("\u212aevin", "kevin"),  # the Kelvin sign
        ("\u212bse", "\xe5se"),  # the Ångström sign
        ("ИВАН", "иван"),
        ("ΟΔΟΣ", "οδος"),
        ("\uff76\uff80\uff76\uff85", "カタカナ"),  # half-width
        ("\U00010400", "\U00010428"),  # Deseret
        ("İpek", "i\u0307pek"),
        ("가", "\u1100\u1161"),
    ],
)
def test_names_that_precis_maps_to_one_are_one(one: str, other: str) -> None:
    assert key(one) == key(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [("ann", "anne"), ("straße", "strasse"), ("rene", "rené"), ("a.b", "ab")],
)
def test_other_names_are_others(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "é名x",
        "हिन्दी",
        "ไทย",
        "தமிழ்",
        "한국어漢字",
        "日本カタカナひらがなabc",
        "中文ㄅabc",
        "user+tag@example.com",
        "_",
        "Иван-2",
        "אבג1",
        "محمد",
        "محمد٣",
        "ñandú",
        "Ж" * 150,
    ],
)
def test_people_of_all_the_world_may_be_called_what_they_are(name: str) -> None:
    assert shown(name) == name
    assert shown(shown(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 151,
        "a b",
        "a\u00a0b",
        "a\u3000b",
        "a!b",
        "a/b",
        "a\u200bb",  # zero width space
        "a\u200cb",  # zero width non-joiner
        "a\u200db",
        "a\u00adb",  # soft hyphen
        "a\u2060b",
        "a\ufeffb",
        "a\u034fb",  # combining grapheme joiner
        "a\ufe0fb",  # variation selector
        "a\U000e0061b",  # a tag
        "a\u115fb",  # Hangul filler
        "\u3164",
        "\uffa0",
        "a\u2800b",  # a Braille blank
        "a\u202eb",
        "a\u061cb",
        "a\u2066b",
        "a\x00b",
        "a\x7fb",
        "a\x85b",
        "🚕",
        "²",
        "Ⅳ",
        "ﬁ",
        "\U0001d400nn",  # mathematical bold
        "\u0301a",
        "a" + "\u0323\u0301" * 3,
        "\u0430dmin",  # a Cyrillic a
        "p\u0430ypal",
        "\u0391nn",  # a Greek one
        "ann\u04bb",
        "\u0561nn",  # Armenian
        "a\u0966",  # a Devanagari zero
        "\u13aann",  # Cherokee
        "abא",
        "٣a",
        "中文кот",
        "\ud800",
        "\u0378",  # not assigned
        "\ue000",  # private use
    ],
)
def test_what_cant_be_seen_or_looks_like_another_is_nobodys_name(name: str) -> None:
    with pytest.raises(UsernameError):
        shown(name)
    assert key(name) is None


def test_what_is_shown_may_not_be_longer_than_what_may_be_typed() -> None:
    decomposes = "\u0958"  # NFC makes two of it (a composition exclusion)
    assert len(shown(decomposes * 75)) == CHARS_MAX
    with pytest.raises(UsernameError):
        shown(decomposes * 76)


LETTERS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])


@given(st.text(LETTERS, max_size=12) | st.text("a\u0430\u0391A.@_é", max_size=6))
def test_a_name_is_told_as_it_was_stored_whatever_was_typed(typed: str) -> None:
    try:
        name = shown(typed)
    except UsernameError:
        assert key(typed) is None
        return
    assert shown(name) == name == unicodedata.normalize("NFC", name)
    made = key(typed)
    assert made is not None
    assert made == key(name) == key(made)
    assert "!" not in made
    assert not re.search(r"\s", name)
    msgspec.convert(typed, Username)


CONTROLS = [
    *map(chr, [*range(0x20), *range(0x7F, 0xA0)]),
    *"\u2028\u2029\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e",
    *"\u2066\u2067\u2068\u2069\u206a\u206f",
]


def test_no_name_has_control_or_bidirectional_characters() -> None:
    for character in CONTROLS:
        for name in (f"A{character}B", f"A{character}", character):
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(name, Name)
    for name in (
        "",
        "Ann-Marie O'Neil",
        "🚕" * 150,
        "Søren\u00a0K",
        "नी\u200dल",
        '"\\',
    ):
        assert msgspec.convert(name, Name) == name
    every = {c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Cc"}
    assert every <= set(CONTROLS)


def test_all_of_unicodes_bidirectional_controls_are_among_them() -> None:
    kinds = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    found = [
        c for c in map(chr, range(0x110000)) if unicodedata.bidirectional(c) in kinds
    ]
    pattern = re.compile(f"[{forms.NOT_IN_NAMES}]")
    assert len(found) == 9
    assert all(map(pattern.match, found))
