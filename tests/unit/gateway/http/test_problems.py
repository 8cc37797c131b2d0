import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException
from msgspec import Raw

from gateway.problems import (
    Problem,
    Refused,
    body_and_headers,
    data_of,
    of_framework,
    specs,
)
from schemas.accounts import Result
from schemas.codec import decode
from schemas.refusals import Code, Refusal


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_problem(code: Code) -> None:
    status = code.http_status
    body, headers = body_and_headers(Refusal(code, "why"), status)
    expected = Problem(f"/docs#{code.value}", code.http_title, status, "why", code)
    assert decode(body, Problem) == expected
    assert ("Retry-After" in headers) == code.is_retryable
    assert ("WWW-Authenticate" in headers) == (status == 401)


def test_data_of_an_answer_is_passed_on_as_it_is() -> None:
    assert data_of(Result(data=Raw(b'{"a":  1}'))) == b'{"a":  1}'
    assert data_of(Result()) == b"null"


@pytest.mark.parametrize(("status", "expected"), [(None, 422), (409, 409)])
def test_a_refused_answer_raises_with_its_status(
    status: int | None, expected: int
) -> None:
    refusal = Refusal(Code.INVALID_DATA, "taken")
    with pytest.raises(Refused, match="taken") as raised:
        data_of(Result(refused=refusal, status=status))
    assert (raised.value.status, raised.value.refusal) == (expected, refusal)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.BAD_FRAME),
        (404, Code.UNKNOWN_TYPE),
        (413, Code.BAD_FRAME),
        (418, Code.UNAVAILABLE),
        (500, Code.UNAVAILABLE),
    ],
)
def test_what_the_framework_refuses_has_a_code_of_the_set(
    status: int, code: Code
) -> None:
    answer = of_framework(HTTPException(detail="x", status_code=status))
    assert answer.status_code == status
    assert decode(answer.content, Problem).code is code


def test_faults_of_a_validation_are_listed_by_field() -> None:
    faults = [{"key": "a", "message": "too long"}, {"message": "odd"}, "plain"]
    error = HTTPException(detail="x", status_code=400, extra=faults)
    answer = of_framework(error)
    problem = decode(answer.content, Problem)
    assert (problem.status, problem.code) == (422, Code.INVALID_DATA)
    assert problem.detail == "a: too long; odd; plain"


def test_a_405_allows_head_where_it_allows_get() -> None:
    error = MethodNotAllowedException(headers={"allow": "GET, OPTIONS"})
    assert of_framework(error).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_specs_group_codes_by_status() -> None:
    found = specs(Code.INVALID_DATA, Code.OVERLOADED, Code.UNAVAILABLE, bad_frame=413)
    assert sorted(found) == [413, 422, 503]
    assert "overloaded" in found[503].description
    assert "unavailable" in found[503].description
