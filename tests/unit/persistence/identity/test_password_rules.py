import pytest

from persistence.identity.password_rules import common, fault, normal

WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "password")
NAMES = ("anna.b", "Anna", "Löwe")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "ünïcödé pässwörd",
        "密码很长很长很长",
        "quartz 7",
        "        x  y",
        "anna likes horses",
        "😀😁😂🤣😃😄😅😆",
        "q" * 60 + "xyz1",
    ],
)
def test_nothing_is_demanded_but_length(password: str) -> None:
    assert fault(password, NAMES) is None


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PASSWORD",
        "iloveyou",
        "1q2w3e4r",
        "12345678",
        "".join(chr(ord(c) + 0xFEE0) for c in "password"),
    ],
)
def test_what_is_tried_first_is_refused_in_any_case_and_width(password: str) -> None:
    assert "tried first" in str(fault(password, ()))


@pytest.mark.parametrize(
    "password",
    [
        "anna.b!!",
        "Anna2024",
        "B.ANNA99",
        "löwelöwe",
        "!!löwe!!",
        "cabrank!",
        "knarbac1",
    ],
)
def test_names_of_user_and_service_are_refused(password: str) -> None:
    names = (*NAMES, "anna.b", "b.anna")
    assert "name of the user" in str(fault(password, names))


def test_characters_are_counted_as_they_are_hashed() -> None:
    composed = "e\u0301" * 7
    assert len(composed) == 14
    assert "7 characters" in str(fault(composed, ()))
    assert normal("ﬃ") == "ffi"


def test_a_short_name_forbids_nothing() -> None:
    assert fault("bo bo bo bo x", ("bo", "")) is None


def test_the_list_holds_thousands_that_could_be_chosen() -> None:
    assert len(common()) > 2_500


@pytest.mark.parametrize("password", ["x" * 8, "é" * 128])
def test_nothing_is_asked_of_what_a_password_is_made_of(password: str) -> None:
    assert fault(password, ()) is None
    assert all(len(word) >= 8 and word == word.lower() for word in common())
