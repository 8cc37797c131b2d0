"""Debian's Chromium, one for all tests; each tab's user has a profile of their own."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from tests.browser.site import Site, before
from tests.browser.tab import Tab
from tests.support.stack import Stack, running

FLAGS = [
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 15_000

NewTab = Callable[..., Awaitable[Tab]]

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("The browser tests need chromium: apt-get install chromium", False)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all files."""
    with running(tmp_path_factory.mktemp("browser") / "data") as made:
        yield made


@pytest.fixture(scope="session")
def desk(stack: Stack) -> str:
    """The token of an operator who has no page."""
    return stack.people("operator", 1)[0].access


@pytest_asyncio.fixture(loop_scope="session")
async def site(stack: Stack) -> AsyncIterator[Site]:
    async with before(stack, is_shared=True) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def new_tab(browser: Browser, site: Site) -> AsyncIterator[NewTab]:
    """`await new_tab()`: a tab of a new user's browser; `new_tab(tab)`: one more of the
    same. No tab may have met an uncaught error, or its own security policy.
    """
    tabs: list[Tab] = []
    contexts: list[BrowserContext] = []

    async def make(beside: Tab | None = None, **options: object) -> Tab:
        if beside is None:
            context = await browser.new_context(**options)  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE_MS)
            contexts.append(context)
        else:
            context = beside.page.context
        tabs.append(Tab(await context.new_page(), site))
        return tabs[-1]

    yield make
    for context in contexts:
        await context.close()
    assert [fault for tab in tabs for fault in tab.faults] == []


@pytest_asyncio.fixture(loop_scope="session")
async def lobby(site: Site, new_tab: NewTab) -> tuple[Tab, Tab]:
    """Ann and Bob, both in the room `lobby`."""
    ann, bob = await new_tab(), await new_tab()
    for tab, name in ((ann, "ann"), (bob, "bob")):
        await site.sign_up(name)
        await tab.enter("lobby", name)
    return ann, bob
