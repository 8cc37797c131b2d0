import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.requests import parse_object, uuid_or_none
from gateway.problems import Refused
from schemas.refusals import Code

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_an_object(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except Refused as refused:
        code = refused.refusal.code
        assert code in {Code.BAD_FRAME, Code.INVALID_DATA}


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_but_objects_without_nul_is_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    has_nul = "\0" in json.dumps(value, ensure_ascii=False).replace("\\u0000", "\0")
    if isinstance(value, dict) and not has_nul:
        assert parse_object(body) == value
    else:
        with pytest.raises(Refused) as raised:
            parse_object(body)
        assert raised.value.refusal.code is Code.INVALID_DATA


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (r'{"a": "\u0000"}', "a"),
        (r'{"a": {"b": ["x", "\u0000"]}}', "a.b[1]"),
        (r'{"\u0000": 1}', "a field's name"),
    ],
)
def test_where_the_nul_is_is_said(body: str, where: str) -> None:
    with pytest.raises(Refused) as raised:
        parse_object(body.encode())
    assert raised.value.refusal.message.startswith(f"{where}: ")


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert parse_object(rb'{"a": "\\u0000"}') == {"a": r"\u0000"}


@given(st.uuids())
def test_ids_are_read_in_any_case_and_kept_in_lower(value: uuid.UUID) -> None:
    assert uuid_or_none(str(value).upper()) == str(value)


@pytest.mark.parametrize("form", ["hex", "urn", "{}", "newline", "fullwidth"])
def test_other_spellings_of_an_id_are_none(form: str) -> None:
    value = uuid.UUID(int=1)
    spelling = {
        "hex": value.hex,
        "urn": value.urn,
        "{}": f"{{{value}}}",
        "newline": f"{value}\n",
        "fullwidth": str(value).replace("1", "\N{FULLWIDTH DIGIT ONE}"),
    }[form]
    assert uuid_or_none(spelling) is None
