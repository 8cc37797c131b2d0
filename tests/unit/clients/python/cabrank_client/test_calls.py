"""How answers over HTTP are read."""

from typing import Any

import pytest
from cabrank_client import calls, errors


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(204, b"", None), (202, b"", None), (202, b"null", None), (201, b"[1]", [1])],
)
def test_a_good_answer_is_what_it_says(status: int, body: bytes, said: Any) -> None:
    assert calls.read(status, {}, body) == said


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, b'{"code": "rider_busy", "detail": "d"}', errors.RiderBusy),
        (404, b'{"code": "unknown_type", "title": "t"}', errors.UnknownType),
        (401, b'{"error": "invalid_client"}', errors.BadCredentials),
        (400, b'{"error": "invalid_scope"}', errors.InvalidData),
        (503, b'{"error": "temporarily_unavailable"}', errors.Unavailable),
        (200, b"<html>", errors.UnexpectedAnswer),
        (302, b"", errors.UnexpectedAnswer),
        (404, b"<html>", errors.UnexpectedAnswer),
        (429, b"", errors.RateLimited),
        (502, b"<html>", errors.Unavailable),
    ],
)
def test_any_other_is_an_error_of_its_kind(
    status: int, body: bytes, kind: type[errors.CabrankError]
) -> None:
    with pytest.raises(kind) as refused:
        calls.read(status, {"Retry-After": "7"}, body)
    assert type(refused.value) is kind
    if isinstance(refused.value, errors.Refused) and refused.value.retryable:
        assert refused.value.retry_after_s == 7


def test_a_replay_says_whose_seq_it_is() -> None:
    asked = calls.replay_webhook("w", 5, region="oslo")
    assert (asked.path, asked.json) == (
        "/api/webhooks/w/replay",
        {"since": 5, "region": "oslo"},
    )
    assert calls.replay_webhook("w", 5).json == {"since": 5}


def test_an_id_can_t_lead_to_another_path() -> None:
    assert calls.webhook("a/../b?c#d").path == "/api/webhooks/a%2F..%2Fb%3Fc%23d"
    for odd in ("", ".", ".."):
        with pytest.raises(errors.InvalidData):
            calls.webhook(odd)
