"""A client that a generator makes of /openapi.json, alone with it: a trip from a
sign-up to its end, by its functions and its types.
"""

import asyncio
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Town
from tests.support import generator

CONFIG = "post_hooks: []\n"
"""As it comes; nothing formats it."""

PROGRAM = """
import sys
from made import AuthenticatedClient, Client
from made.api.accounts import log_in, me, sign_up
from made.api.drivers import driver as driver_now
from made.api.trips import (
    accept_trip, begin_trip, complete_trip, decline_trip, matching, request_trip,
    track, trip as one_trip, trip_events, trips,
)
from made.models import (
    AcceptTripBody, Code, DeclineTripBody, LogInDataBody, MoveTripBody, OpenTrip,
    Position, Problem, RequestTripBody, Role, SignUpBody, SignUpBodyRole, Status,
    Tokens, Trip, User,
)
from made.models.log_in_access_token import LogInAccessToken

url, name, key = sys.argv[1:]
nobody = Client(base_url=url)


def new(role):
    body = SignUpBody(f"{name}-{role}", "a long password", SignUpBodyRole(role))
    tokens = sign_up.sync(client=nobody, body=body)
    assert isinstance(tokens, Tokens), tokens
    return AuthenticatedClient(base_url=url, token=tokens.access), tokens.user


rider, ann = new("rider")
driver, bob = new("driver")
assert ann.role is Role.RIDER

order = RequestTripBody("A", "B", pick_up=Position(1.5, 2.5))
made = request_trip.sync_detailed(client=rider, body=order, idempotency_key="k")
assert made.status_code == 201, made
trip = made.parsed
assert isinstance(trip, Trip), trip
assert trip.status is Status.REQUESTED
assert made.headers["Location"] == f"/api/trips/{trip.id}"
again = request_trip.sync(client=rider, body=order, idempotency_key="k")
assert again.id == trip.id
busy = request_trip.sync(client=rider, body=order)
assert isinstance(busy, Problem) and busy.code is Code.RIDER_BUSY, busy

shown = decline_trip.sync(trip.id, client=driver, body=DeclineTripBody(reason="no"))
assert isinstance(shown, OpenTrip), shown
taken = accept_trip.sync(trip.id, client=driver, body=AcceptTripBody())
assert taken.driver.id == bob.id
assert begin_trip.sync(trip.id, client=driver, body=MoveTripBody()).status is (
    Status.IN_PROGRESS
)
done = complete_trip.sync(trip.id, client=driver)
assert done.status is Status.COMPLETED
assert one_trip.sync(trip.id, client=rider) == done
assert trips.sync(client=rider, status=Status.COMPLETED, limit=5) == [done]
rows = trip_events.sync(trip.id, client=rider)
assert [row.version for row in rows] == [1, 2, 3, 4]
assert track.sync(trip.id, client=rider) == []

form = LogInDataBody(grant_type="client_credentials", client_secret=key)
token = log_in.sync(client=nobody, body=form)
assert isinstance(token, LogInAccessToken), token
desk = AuthenticatedClient(base_url=url, token=token.access_token)
assert me.sync(client=desk).role is Role.OPERATOR
assert driver_now.sync(bob.id, client=desk).driver.username == bob.username
assert matching.sync(trip.id, client=desk).trip == trip.id
assert trips.sync(client=desk, rider=ann.id, driver=bob.id) == [done]
print("the trip has ended")
"""


@pytest.mark.timeout(300)  # its environment is made, once
async def test_a_generated_client_takes_a_trip_to_its_end(
    town: Town, web: httpx.AsyncClient, tmp_path: Path
) -> None:
    name = f"made-{time.time_ns()}"
    command = ("user", "add", name, "--role", "operator", "--service")
    added = await asyncio.to_thread(town.stack.command, *command)
    python = str(await asyncio.to_thread(generator.python))
    (tmp_path / "openapi.json").write_bytes((await web.get("/openapi.json")).content)
    (tmp_path / "config.yml").write_text(CONFIG)
    generate = [
        *(python, "-m", "openapi_python_client", "generate"),
        *("--path", "openapi.json", "--output-path", "made", "--meta", "none"),
        *("--config", "config.yml", "--fail-on-warning"),
    ]
    program = [python, "-c", PROGRAM, town.url, name, added.stdout.strip()]
    for command in (generate, program):
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Warning" not in done.stdout + done.stderr
    assert done.stdout == "the trip has ended\n"
