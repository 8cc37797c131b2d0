"""Draws docs/screenshots: `python -m tests.browser.screenshots docs/screenshots`, with
`--docs` those of /docs alone, with `--ride` those of /, /rider and /driver, with
`--ops` those of /ops.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright, expect

from tests.browser import docs_page
from tests.browser.conftest import FLAGS
from tests.browser.line import Line
from tests.browser.ops_screenshots import draw_ops
from tests.browser.ride_screenshots import draw_ride
from tests.browser.site import Site, before
from tests.browser.tab import Tab
from tests.support.stack import running

WIDE = {"width": 960, "height": 640}
PHONE = {"width": 390, "height": 760}
ROOM = "airport-rank"


async def _people(site: Site) -> None:
    talk = [
        ("ann", "Anybody at terminal 2? The rank is empty."),
        ("ben", "Five minutes away."),
        ("ben", "Two of us, in fact."),
        ("cem", "<script>alert('hello')</script> is just text here."),
        ("ann", "Thanks! I'll tell the next rider."),
    ]
    names = {"ann": "Ann", "ben": "Ben", "cem": "Cem", "dora": "Dora"}
    tokens = {
        name: (await site.sign_up(name, "driver", first))["access"]
        for name, first in names.items()
    }
    for name, text in talk:
        await site.post(tokens[name], ROOM, text)


async def _tab(browser: Browser, site: Site, **options: object) -> Tab:
    context = await browser.new_context(
        locale="en-GB",
        timezone_id="UTC",
        **options,  # type: ignore[arg-type]
    )
    return Tab(await context.new_page(), site)


DOCS = (
    ("docs-light", WIDE, "light"),
    ("docs-dark", WIDE, "dark"),
    ("docs-phone", PHONE, "light"),
)
"""Of /docs: file, viewport, colours. From its first route on."""


async def draw_docs(folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        for name, viewport, scheme in DOCS:
            context = await browser.new_context(
                viewport=viewport,  # type: ignore[arg-type]
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page = await context.new_page()
            await docs_page.show(page)
            await page.screenshot(path=folder / f"{name}.png")
        await browser.close()


async def draw(folder: Path) -> None:
    path = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as there, running(Path(there) / "data") as stack:
        async with async_playwright() as playwright, before(stack) as site:
            browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
            await _draw_chat(folder, browser, site)
            await browser.close()


async def _draw_chat(folder: Path, browser: Browser, site: Site) -> None:
    await _people(site)
    for name in ("ben", "cem"):
        await (await _tab(browser, site)).enter(ROOM, name)

    async def shot(tab: Tab, name: str) -> None:
        await tab.page.screenshot(path=folder / f"{name}.png")

    light = await _tab(browser, site, viewport=WIDE, color_scheme="light")
    await light.visit("/chat")
    await expect(light.page.get_by_label("Room", exact=True)).to_be_focused()
    await shot(light, "chat-entrance-light")
    dark = await _tab(browser, site, viewport=WIDE, color_scheme="dark")
    line = await Line.of(dark.page)
    await dark.visit("/chat/a.b")
    await expect(dark.page.get_by_label("Room", exact=True)).to_be_focused()
    await shot(dark, "chat-bad-name-dark")
    phone = await _tab(
        browser, site, viewport=PHONE, color_scheme="light", has_touch=True
    )
    await phone.visit(f"/chat/{ROOM}")
    await phone.page.get_by_role("button", name="New here? Sign up").click()
    await shot(phone, "chat-sign-up-phone")
    await light.enter(ROOM, "ann")
    await dark.enter(ROOM, "ann")
    await phone.page.get_by_role("button", name="Have an account? Log in").click()
    await phone.log_in("dora")
    await phone.entered()
    await shot(light, "chat-room-light")
    await shot(phone, "chat-room-phone")
    line.is_closed_to_writers = True
    await dark.say("This one is refused.")
    await expect(dark.page.locator("#unsent .failed")).to_be_visible()
    await site.cable.cut()
    for tab in (dark, phone):
        await expect(tab.status).to_contain_text("Reconnecting")
        for text in ("On my way,", "there in two minutes."):
            await tab.text.fill(text)
            await tab.page.get_by_role("button", name="Send", exact=True).click()
        await expect(tab.status).to_contain_text("2 messages")
    await shot(dark, "chat-disconnected-dark")
    await shot(phone, "chat-disconnected-phone")


async def main(folder: Path, asked: list[str]) -> None:
    if not asked:
        await draw(folder)
    if not asked or "--docs" in asked:
        await draw_docs(folder)
    if not asked or "--ride" in asked:
        await draw_ride(folder)
    if not asked or "--ops" in asked:
        await draw_ops(folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
