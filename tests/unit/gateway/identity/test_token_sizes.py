"""The largest access tokens there may be are taken, whatever their users are called."""

import uuid

import pytest

from gateway.identity.tokens import TOKEN_CHARS_MAX
from persistence.models import ID_CHARS
from schemas.trips import Role, User
from tests.unit.gateway.identity.making import NOW_MS, NOW_S, SIGNER, identity

LATEST_MS = 9_999_999_999_999  # in the year 2286
NAMES = {
    "an emoji": "🚕",
    "two characters that are one": "é",
    "quotes": '"',
    "backslashes": "\\",
    "a control character, of who signed up before there were rules": "\x01",
    "the last of Unicode": "\U0010ffff",
}


@pytest.mark.parametrize("character", NAMES.values(), ids=NAMES)
def test_150_of_any_character_make_a_token_that_is_taken(character: str) -> None:
    name = character * 150
    username = "\U00010428" * 150  # four bytes each, as many as a letter takes
    user = User(str(uuid.uuid4()), username, name, name, Role.OPERATOR)
    token = SIGNER.issue(user, "r" * ID_CHARS, str(uuid.uuid4()), NOW_MS, 86_400)
    assert len(token) <= TOKEN_CHARS_MAX
    assert identity().verify(token, NOW_S).user() == user


def test_so_does_the_largest_of_all_with_room_to_spare() -> None:
    name = "\x01" * 150
    user = User(str(uuid.uuid4()), "\U00010428" * 150, name, name, Role.OPERATOR)
    token = SIGNER.issue(user, "r" * ID_CHARS, str(uuid.uuid4()), LATEST_MS, 86_400)
    assert 3700 < len(token) <= 3850
