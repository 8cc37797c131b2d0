"""The applications of docs/EMBED.md, as they are written there: their users ride, by
the page's own lines of JavaScript in a browser.
"""

import asyncio
import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, Route, async_playwright

from tests.browser.conftest import FLAGS
from tests.e2e.conftest import bearer
from tests.support.client import welcomed
from tests.support.nats import free_port
from tests.support.stack import Stack
from tests.support.waiting import until_is

pytestmark = pytest.mark.timeout(300)  # it starts a system, and an application

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "EMBED.md").read_text()
CLIENT = ROOT / "web" / "client"
HERS = """\
client.on("trip.completed", (trip) => {
  document.title = `by ${trip.driver.username}`;
});
globalThis.ride = () =>
  client.trips.request({ pick_up_address: "A", drop_off_address: "B" });
globalThis.client = client;
"""
"""What the test's page adds to the lines of docs/EMBED.md."""
PASSWORD = "long enough"
PORT = "9000"
"""Theirs on the page; here each has a free one."""
LINES_MAX = 40
"""Of code; blank ones come by the formatter."""
LIMIT_S = 60

LogIn = Callable[[httpx.AsyncClient, str], Awaitable[None]]
Enter = Callable[[BrowserContext, str], Awaitable[None]]


async def by_basic(web: httpx.AsyncClient, name: str) -> None:
    web.auth = (name, PASSWORD)


async def by_form(web: httpx.AsyncClient, name: str) -> None:
    await web.get("/log-in")
    form = {"username": name, "password": PASSWORD}
    form["csrfmiddlewaretoken"] = web.cookies["csrftoken"]
    answer = await web.post("/log-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (302, "/token")


async def enter_by_basic(context: BrowserContext, _: str) -> None:
    """A browser asks once, and says it with every request from then on."""
    credentials = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    await context.set_extra_http_headers({"Authorization": f"Basic {credentials}"})


async def enter_by_form(context: BrowserContext, url: str) -> None:
    page = await context.new_page()
    await page.goto(f"{url}/log-in")
    await page.fill("[name=username]", "ann")
    await page.fill("[name=password]", PASSWORD)
    await page.click("[type=submit]")
    await page.wait_for_url(f"{url}/token")
    await page.close()


def script(cabrank_url: str) -> str:
    """The lines of "In their pages", for the cabrank that runs."""
    ((language, text),) = blocks("In their pages", 0)
    assert language == "js"
    assert text.count("http://127.0.0.1:8000") == 1
    return text.replace("http://127.0.0.1:8000", cabrank_url)


@contextlib.asynccontextmanager
async def ann_s_page(url: str, cabrank_url: str, enter: Enter) -> AsyncIterator[Page]:
    """A page of the application's own origin with those lines, and Ann logged in."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("This needs chromium: apt-get install chromium", pytrace=False)
    lines = script(cabrank_url) + HERS

    async def served(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name == "page":
            text, kind = "<script type=module src=page.js></script>", "text/html"
        else:
            kind = "text/javascript"
            text = lines if name == "page.js" else (CLIENT / name).read_text()
        await route.fulfill(body=text, content_type=kind)

    async with async_playwright() as playwright:
        # What a test hands over comes from no address: it may call this machine too.
        flags = [*FLAGS, "--disable-features=LocalNetworkAccessChecks"]
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        context = await browser.new_context()
        await enter(context, url)
        page = await context.new_page()
        await page.route(re.compile(rf"^{re.escape(url)}/(page|[\w-]+\.js)$"), served)
        await page.goto(f"{url}/page")
        yield page
        await browser.close()


def blocks(title: str, port: int) -> list[tuple[str, str]]:
    """Language and text of what stands in the section, in its order."""
    section = re.split(r"\n##+ ", PAGE.partition(f"\n### {title}\n")[2])[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return [(language, text.replace(PORT, str(port))) for language, text in found]


def cabrank_settings(port: int) -> dict[str, str]:
    found = re.findall(
        r"^(CABRANK_\w+)=(\S+)|\s(CABRANK_\w+)=(\S+)", PAGE, re.MULTILINE
    )
    pairs = [(one or other, this or that) for one, this, other, that in found]
    return {name: value.replace(PORT, str(port)) for name, value in pairs}


@contextlib.asynccontextmanager
async def application(title: str, folder: Path) -> AsyncIterator[str]:
    """Do what the section says, line by line; its last block serves. Yields the URL."""
    folder.mkdir()
    port = free_port()
    bin_dir = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"}
    *before, (_, serve) = blocks(title, port)
    for language, text in before:
        if language == "python":
            name = text.partition("\n")[0].removeprefix("# ")
            (folder / name).write_text(text)
        else:
            done = subprocess.run(
                ["sh", "-ec", text],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-ec", serve],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # runserver has a child
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(LIMIT_S)


async def serves(url: str, log: Path) -> None:
    """Wait until the application answers as an issuer."""

    async def look() -> str:
        try:
            async with httpx.AsyncClient(trust_env=False) as web:
                found = await web.get(f"{url}/.well-known/openid-configuration")
        except httpx.TransportError:
            return f"nothing; {log.read_text()[-2000:]}"
        return str(found.json()["issuer"])

    await until_is(look, lambda seen: seen == url, LIMIT_S)


async def token_of(url: str, log_in: LogIn, name: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as web:
        assert (await web.get("/token")).status_code == 401
        await log_in(web, name)
        answer = await web.get("/token")
        assert answer.headers["cache-control"].rpartition("no-store")[1]
        return str(answer.json())


@pytest.mark.parametrize("title", ["In FastAPI", "In Django"])
def test_an_application_of_the_page_is_one_short_block_of_python(title: str) -> None:
    (program,) = [text for language, text in blocks(title, 1) if language == "python"]
    assert len([line for line in program.splitlines() if line]) <= LINES_MAX


@pytest.mark.parametrize(
    ("title", "log_in", "enter"),
    [
        ("In FastAPI", by_basic, enter_by_basic),
        ("In Django", by_form, enter_by_form),
    ],
)
async def test_users_of_an_application_of_the_page_ride_and_drive(
    own_stack: Callable[..., Stack],
    tmp_path: Path,
    title: str,
    log_in: LogIn,
    enter: Enter,
) -> None:
    folder = tmp_path / "application"
    async with application(title, folder) as url:
        await serves(url, folder / "log")
        settings = cabrank_settings(int(url.rpartition(":")[2]))
        assert settings["CABRANK_OIDC_ISSUER"] == settings["CABRANK_ORIGINS"] == url
        stack = await asyncio.to_thread(lambda: own_stack(**settings))
        ann, bob = [await token_of(url, log_in, name) for name in ("ann", "bob")]
        page = {"Origin": url}

        async def me() -> int:
            async with httpx.AsyncClient(trust_env=False) as web:
                headers = {**bearer(ann), **page}
                answer = await web.get(f"{stack.url}/api/me", headers=headers)
            if answer.status_code == 200:
                assert answer.headers["access-control-allow-origin"] == url
            return answer.status_code

        # Its keys may still be under way.
        await until_is(me, lambda seen: seen == 200, LIMIT_S)
        driver, welcome = await welcomed(stack.url, bob, headers=page)
        async with driver, ann_s_page(url, stack.url, enter) as hers:
            assert welcome["user"]["username"] == "sso.bob"
            await hers.wait_for_function("globalThis.client?.state === 'open'")
            user = await hers.evaluate("client.user")
            assert (user["username"], user["role"]) == ("sso.ann", "rider")
            trip = await hers.evaluate("ride()")
            asked = await driver.expect_trip("trip.requested", trip["id"])
            assert asked["rider"]["id"] == trip["rider"]["id"] == user["id"]
            for step in ("trip.accept", "trip.begin", "trip.complete"):
                await driver.do(step, {"id": trip["id"]})
            await hers.wait_for_function("document.title === 'by sso.bob'")
