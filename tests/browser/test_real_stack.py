"""The chat pages against `cabrank up`: what issue 3 shows, with real processes killed.

The other files of this folder look closer, at a fake server.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.conftest import NewTab
from tests.browser.site import Site, before
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def site(stack: Stack) -> AsyncIterator[Site]:
    async with before(stack) as made:
        yield made


async def test_two_browsers_talk_and_a_third_elsewhere_hears_nothing(
    site: Site, new_tab: NewTab
) -> None:
    for name in ("talk-ann", "talk-bob", "talk-cid"):
        await site.sign_up(name)
    ann, bob, cid = [await new_tab() for _ in range(3)]
    await ann.enter("talk", "talk-ann")
    await bob.enter("talk", "talk-bob")
    await cid.enter("talk-elsewhere", "talk-cid")
    await ann.has_members("talk-ann (you)", "talk-bob")
    await ann.say("hello")
    await bob.shows("hello")
    await bob.say("hi")
    await ann.shows("hello", "hi")
    await cid.shows()


async def test_markup_arrives_as_text(site: Site, new_tab: NewTab) -> None:
    await site.sign_up("mark-ann")
    await site.sign_up("mark-bob")
    ann, bob = await new_tab(), await new_tab()
    await ann.enter("mark", "mark-ann")
    await bob.enter("mark", "mark-bob")
    text = "<script>document.title = 'taken'</script><b>bold</b>"
    await ann.say(text)
    await bob.shows(text)
    assert await bob.page.title() != "taken"
    assert await bob.page.locator("#log b").count() == 0


async def test_a_page_survives_a_killed_gateway(site: Site, new_tab: NewTab) -> None:
    await site.sign_up("kill-ann")
    await site.sign_up("kill-bob")
    ann, bob = await new_tab(), await new_tab()
    await ann.enter("kill", "kill-ann")
    await bob.enter("kill", "kill-bob")
    said: list[str] = []

    async def say(text: str) -> None:
        said.append(text)
        await ann.say(text)

    for round_number in range(2):
        await say(f"before {round_number}")
        crash = asyncio.create_task(site.crash())
        for number in range(3):
            await say(f"during {round_number}.{number}")
        await crash
        await say(f"after {round_number}")
    await ann.shows(*said)
    await bob.shows(*said)
