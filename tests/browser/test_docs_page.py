"""/docs, the API's reference, as a phone and a desk show it, in light and in dark."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser import docs_page

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE, TABLET, DESK = 390, 820, 1280
LOOKS = Path(__file__).with_name("looks.js")
CONTRAST_MIN = 4.5
"""WCAG 2.2, 1.4.3 (AA), for text of any size."""


@pytest_asyncio.fixture(loop_scope="session")
async def contexts(browser: Browser) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def shown(
    browser: Browser, contexts: AsyncExitStack, width: int, scheme: str
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    contexts.push_async_callback(context.close)
    tab = await context.new_page()
    await docs_page.show(tab)
    await tab.evaluate(LOOKS.read_text())
    return tab


@pytest.mark.parametrize("width", [320, PHONE, TABLET, DESK])
async def test_no_word_is_broken_and_nothing_scrolls_sideways(
    browser: Browser, contexts: AsyncExitStack, width: int
) -> None:
    tab = await shown(browser, contexts, width, "light")
    assert await tab.evaluate("brokenWords()") == []
    wide = await tab.evaluate("document.documentElement.scrollWidth")
    assert wide == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_its_ground(
    browser: Browser, contexts: AsyncExitStack, scheme: str
) -> None:
    tab = await shown(browser, contexts, DESK, scheme)
    assert await tab.evaluate("(least) => faintTexts(least)", CONTRAST_MIN) == []
