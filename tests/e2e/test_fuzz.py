"""What /openapi.json allows, and what it forbids, sent by schemathesis to a whole
system: no 5xx.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import just

from tests.e2e.conftest import Town, bearer
from tests.support.documented import Routes

EXAMPLES = 40
"""A route; some 40 routes, some milliseconds each."""

Answers = Counter[tuple[str, int]]
"""How often a route (`GET /api/trips`) answered with a status."""


def ask_all(
    base: str, document: dict[str, Any], headers: Callable[[], dict[str, str]]
) -> Answers:
    """Asks each route `EXAMPLES` times, the same each run; `headers` once a route."""
    seen: Answers = Counter()
    schema = schemathesis.openapi.from_dict(document)
    told = Routes(document)
    for operation in schema.get_all_operations():

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.ok().as_strategy(), sent=just(headers()))
        def ask(case: Any, sent: dict[str, str]) -> None:
            answer = case.call(base_url=base, headers=sent, timeout=30)
            seen[f"{case.method} {case.path}", answer.status_code] += 1
            told.check(case.method, case.path, answer)

        ask()
    return seen


@pytest.mark.parametrize("role", ["rider", "driver", "operator"])
async def test_no_request_the_schema_tells_of_is_answered_with_5xx(
    town: Town, web: httpx.AsyncClient, role: str
) -> None:
    """Somebody new for each route: one of them ends the session it is asked in."""
    document = (await web.get("/openapi.json")).json()
    people = await asyncio.to_thread(town.stack.people, role, 60)
    answers = await asyncio.to_thread(
        ask_all, town.url, document, lambda: bearer(people.pop())
    )
    assert {asked: times for asked, times in answers.items() if asked[1] >= 500} == {}
    assert sum(answers.values()) > 300
    # It came as far as persistence and the dispatcher.
    assert answers["GET /api/trips", 200]
    assert answers["POST /api/rooms/{room}/messages", 201]
    if role == "rider":
        assert answers["POST /api/trips", 201]
    for verb in ("accept", "cancel", "assign"):  # no trip is found by chance
        told = f"POST /api/trips/{{trip_id}}/{verb}"
        assert {s for t, s in answers if t == told} & {403, 404}
