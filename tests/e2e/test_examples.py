"""examples/: each does what it says, beside a system that runs."""

import asyncio
import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cabrank_client import Client, HttpClient, NotAuthenticated, new_key

from tests.support.nats import free_port
from tests.support.stack import Stack, running
from tests.support.waiting import until_is, until_true

pytestmark = pytest.mark.timeout(300)  # it starts a system, and applications

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PASSWORD = "long enough"
LIMIT_S = 60


class Site:
    """Where the applications are; they are one issuer, by one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.django = free_port()
        self.fastapi = free_port()
        self.issuer = f"http://127.0.0.1:{self.django}"
        self.key = folder / "key.pem"
        words = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(self.key)]
        subprocess.run(words, check=True, capture_output=True)

    def environment(self, stack: Stack) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT / "clients" / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CABRANK_URL": stack.url,
            "ISSUER": self.issuer,
            "KEY": str(self.key),
            "HOME_DIR": str(self.folder),
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def system(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "CABRANK_OIDC_ISSUER": site.issuer,
        "CABRANK_OIDC_AUDIENCE": "cabrank",
        "CABRANK_MATCHING": "broadcast",
    }
    data_dir = tmp_path_factory.mktemp("examples") / "data"
    with running(data_dir, settings=settings) as made:
        yield made


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


@contextlib.asynccontextmanager
async def serving(
    site: Site, stack: Stack, port: int, *words: str, cwd: Path
) -> AsyncIterator[str]:
    """An application; its address, once it answers."""
    url = f"http://127.0.0.1:{port}"
    log = site.folder / f"{port}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            env=site.environment(stack),
            stdout=file,
            stderr=file,
        )
    try:
        async with httpx.AsyncClient(trust_env=False) as web:

            async def answers() -> bool:
                assert process.poll() is None, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    found = await web.get(f"{url}/.well-known/openid-configuration")
                    return bool(found.json()["issuer"] == site.issuer)
                return False

            await until_true(answers, url, LIMIT_S)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


@pytest.fixture
async def django(site: Site, system: Stack) -> AsyncIterator[str]:
    folder = EXAMPLES / "django_rides"
    if not (site.folder / "db.sqlite3").exists():
        manage(site, system, "migrate", "--verbosity", "0")
        assert manage(site, system, "makemigrations", "--check") == [
            "No changes detected"
        ]
        made = "from django.contrib.auth.models import User;"
        made += f"User.objects.create_user('kim', password='{PASSWORD}', "
        made += "first_name='Kim')"
        manage(site, system, "shell", "--verbosity", "0", "-c", made)
    words = (str(folder / "manage.py"), "runserver", "--noreload", str(site.django))
    async with serving(site, system, site.django, *words, cwd=folder) as url:
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


async def test_a_user_of_the_django_site_rides(django: str, system: Stack) -> None:
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
        (operator,) = system.people("operator", 1)
        async with Client(system.url, token=operator.access) as desk:
            (trip,) = [
                trip
                for trip in await until_is(desk.http.trips, bool)
                if trip["rider"]["username"] == "sso.kim"
            ]
        assert trip["rider"]["first_name"] == "Kim"
        await drive(system, trip["id"], "accept")
        page = await web.get(str(page.url))
        assert 'id="driver"' in page.text
        page = await pressed(web, page, f"{page.url}/cancel")
        assert "CANCELLED" in page.text
        stranger = await web.get(f"/rides/{trip['id']}")
        assert stranger.status_code == 404


async def test_a_user_of_the_fastapi_application_rides_and_sees_it_live(
    django: str, site: Site, system: Stack
) -> None:
    folder = EXAMPLES / "fastapi_rides"
    words = ("-m", "uvicorn", "app:app", "--port", str(site.fastapi))
    ann, eve = ("ann", PASSWORD), ("eve", PASSWORD)
    async with (
        serving(site, system, site.fastapi, *words, cwd=folder) as url,
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
                    tasks.create_task(drive(system, made["id"], *moves))
        assert [one["status"] for one in seen] == [
            *("REQUESTED", "STARTED", "ARRIVED", "IN_PROGRESS", "COMPLETED"),
        ]
        assert seen[0]["driver"] is None


# ---- the phone desk ----------------------------------------------------------


def booked(stack: Stack, key: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "python")}
    if key:
        environment["CABRANK_KEY"] = key
    program = EXAMPLES / "phone_desk" / "book.py"
    return subprocess.run(
        [sys.executable, str(program), "--url", stack.url, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


NAMES = ("reference", "rider", "pick_up_address", "drop_off_address")


def written(path: Path, *rows: tuple[str, ...], names: tuple[str, ...] = NAMES) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def test_the_desk_books_a_file_once_however_often_it_is_run(
    system: Stack, tmp_path: Path
) -> None:
    (operator,) = system.people("operator", 1)
    ann, bob, eve = (person.id for person in system.people("rider", 3))
    path = written(
        tmp_path / "monday.csv",
        ("A1", ann, "Ørsted Plads 1", "Zoo"),
        ("A2", "nobody", "Quay", "Zoo"),
        ("A3", bob, "Quay", ""),
        ("A1", eve, "Quay", "Zoo"),
        ("A4", ann, "Quay", "Zoo"),
        ("A5", bob, "x" * 256, "Zoo"),
        ("A6", eve, "Quay", "Zoo"),
    )
    first = booked(system, operator.access, path)
    assert first.returncode == 1
    lines = first.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["A1", "A6"], first.stderr
    told = [line.split(": ", 2) for line in first.stderr.splitlines()]
    assert [(where.rpartition(":")[2], row) for where, row, _ in told] == [
        *(("3", "A2"), ("4", "A3"), ("5", "A1"), ("6", "A4"), ("7", "A5")),
    ]
    assert "rider" in told[0][2]
    assert "Traceback" not in first.stderr
    again = booked(system, operator.access, path)
    assert again.stdout == first.stdout
    with HttpClient(system.url, token=operator.access) as desk:
        trips = [desk.get_trip(line.split()[1]) for line in lines]
    assert [trip["rider"]["id"] for trip in trips] == [ann, eve]
    assert trips[0]["pick_up_address"] == "Ørsted Plads 1"


def test_the_desk_says_what_is_wrong_before_it_books_anything(
    system: Stack, tmp_path: Path
) -> None:
    (operator,) = system.people("operator", 1)
    good = written(tmp_path / "good.csv", ("B1", operator.id, "Quay", "Zoo"))
    assert booked(system, "", good).returncode == 2
    halves = written(tmp_path / "halves.csv", ("B1",), names=("reference",))
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (halves, "no column rider"),
        (tmp_path / "odd.csv", "can't be read"),
        (tmp_path / "none.csv", "can't be read"),
    ):
        done = booked(system, operator.access, path)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    done = booked(system, "no.good.key", good)
    assert done.returncode == 1
    assert "Run it again" in done.stderr
    shown = EXAMPLES / "phone_desk" / "monday.csv"
    done = booked(system, operator.access, shown)
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        *("A-1001", "A-1002"),
    ]
    with (
        HttpClient(system.url, token="no.good.key") as desk,
        pytest.raises(NotAuthenticated),
    ):
        desk.me()
