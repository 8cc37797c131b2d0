"""examples/: an application's and a site's own users ride."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cabrank_client import Client, new_key

from tests.support.applications import EXAMPLES, LIMIT_S, Site, serving
from tests.support.stack import Stack
from tests.support.waiting import until_is

pytestmark = pytest.mark.timeout(300)  # it starts a system, and applications

PASSWORD = "long enough"


def manage(site: Site, stack: Stack, *words: str) -> list[str]:
    program = EXAMPLES / "django_rides" / "manage.py"
    done = subprocess.run(
        [sys.executable, str(program), *words],
        env=site.environment(stack),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
async def django(site: Site, beside: Stack) -> AsyncIterator[str]:
    folder = EXAMPLES / "django_rides"
    if not (site.folder / "db.sqlite3").exists():
        manage(site, beside, "migrate", "--verbosity", "0")
        assert manage(site, beside, "makemigrations", "--check") == [
            "No changes detected"
        ]
        made = "from django.contrib.auth.models import User;"
        made += f"User.objects.create_user('kim', password='{PASSWORD}', "
        made += "first_name='Kim')"
        manage(site, beside, "shell", "--verbosity", "0", "-c", made)
    words = (str(folder / "manage.py"), "runserver", "--noreload", str(site.django))
    async with serving(site, beside, site.django, *words, cwd=folder) as url:
        yield url


async def pressed(
    web: httpx.AsyncClient, page: httpx.Response, path: str = "", **more: str
) -> httpx.Response:
    """Fill in the page's form as a browser does, and send it."""
    inputs = re.findall(r"<input[^>]*>", page.text)
    fields = {}
    for text in inputs:
        found = dict(re.findall(r'(\w+)="([^"]*)"', text))
        fields[found["name"]] = found.get("value", "")
    return await web.post(path or str(page.url), data=fields | more)


async def drive(stack: Stack, trip: str, *moves: str) -> None:
    (driver,) = stack.people("driver", 1)
    async with Client(stack.url, token=driver.access) as client:
        for move in moves:
            await getattr(client, f"{move}_trip")(trip)


async def test_a_user_of_the_django_site_rides(django: str, beside: Stack) -> None:
    async with httpx.AsyncClient(
        base_url=django, trust_env=False, follow_redirects=True, timeout=LIMIT_S
    ) as web:
        log_in = await web.get("/")
        form = await pressed(web, log_in, username="kim", password=PASSWORD)
        assert form.url.path == "/"

        async def booked() -> httpx.Response:
            return await pressed(web, form, start="Quay", end="Zoo")

        # cabrank fetches the site's keys at the first token, and says so until then.
        page = await until_is(booked, lambda seen: "REQUESTED" in seen.text, LIMIT_S)
        again = await booked()
        assert again.url == page.url, "the same press of the button, the same ride"
        (operator,) = beside.people("operator", 1)
        async with Client(beside.url, token=operator.access) as desk:
            (trip,) = [
                trip
                for trip in await until_is(desk.http.trips, bool)
                if trip["rider"]["username"] == "sso.kim"
            ]
        assert trip["rider"]["first_name"] == "Kim"
        await drive(beside, trip["id"], "accept")
        page = await web.get(str(page.url))
        assert 'id="driver"' in page.text
        page = await pressed(web, page, f"{page.url}/cancel")
        assert "CANCELLED" in page.text
        stranger = await web.get(f"/rides/{trip['id']}")
        assert stranger.status_code == 404


async def test_a_user_of_the_fastapi_application_rides_and_sees_it_live(
    django: str, site: Site, beside: Stack
) -> None:
    folder = EXAMPLES / "fastapi_rides"
    words = ("-m", "uvicorn", "app:app", "--port", str(site.fastapi))
    ann, eve = ("ann", PASSWORD), ("eve", PASSWORD)
    async with (
        serving(site, beside, site.fastapi, *words, cwd=folder) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=LIMIT_S) as web,
    ):
        ride = {"start": "Quay", "end": "Zoo"}
        key = {"Idempotency-Key": new_key()}
        assert (await web.post("/rides", json=ride)).status_code == 401

        async def booked() -> httpx.Response:
            return await web.post("/rides", json=ride, auth=ann, headers=key)

        made = (await until_is(booked, lambda a: a.status_code == 201, LIMIT_S)).json()
        assert (await booked()).json() == made
        second = await web.post("/rides", json=ride, auth=ann)
        assert (second.status_code, second.json()["code"]) == (409, "rider_busy")
        path = f"/rides/{made['id']}"
        assert (await web.delete(path, auth=eve)).status_code == 409
        assert (await web.get(f"{path}/events", auth=eve)).status_code == 409
        moves = ("accept", "arrive", "begin", "complete")
        seen: list[dict[str, Any]] = []
        async with (
            asyncio.TaskGroup() as tasks,
            web.stream("GET", f"{path}/events", auth=ann) as answer,
        ):
            async for line in answer.aiter_lines():
                if not line:
                    continue
                seen.append(json.loads(line.removeprefix("data: ")))
                if len(seen) == 1:
                    tasks.create_task(drive(beside, made["id"], *moves))
        assert [one["status"] for one in seen] == [
            *("REQUESTED", "STARTED", "ARRIVED", "IN_PROGRESS", "COMPLETED"),
        ]
        assert seen[0]["driver"] is None
