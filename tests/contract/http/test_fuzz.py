"""What /openapi.json allows, and what it forbids, sent by schemathesis: no 5xx."""

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from schemas.refusals import Code
from tests.contract.http.conftest import Site, refusal

EXAMPLES = 15
"""A route; some 20 routes, some milliseconds each."""


def fuzz(
    base: str, headers: dict[str, str], document: dict[str, Any]
) -> tuple[int, list[str]]:
    """How many answers there were, and which were a 5xx."""
    failures = []
    answers = 0
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            nonlocal answers
            answers += 1
            answer = case.call(base_url=base, headers=headers, timeout=30)
            if answer.status_code >= 500:
                failures.append(f"{case.method} {case.path}: {answer.status_code}")

        check()
    return answers, failures


async def test_no_request_the_schema_tells_of_is_answered_with_5xx(site: Site) -> None:
    for subject in ("sign_up", "log_in", "refresh", "log_out", "revoke", "whereabouts"):
        site.answers(f"accounts.{subject}", refusal(Code.INVALID_DATA, "no"))
    for subject in ("trips", "trip", "trip_events", "messages"):
        site.answers(f"history.{subject}", refusal(Code.INVALID_DATA, "no"))
    document = (await site.client.get("/openapi.json")).json()
    base = f"http://127.0.0.1:{site.port}"
    answers, failures = await asyncio.to_thread(fuzz, base, site.operator, document)
    assert failures == []
    assert answers > 100
