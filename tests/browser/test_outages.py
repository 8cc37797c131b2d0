"""What is lost and doubled when connections, answers and servers go: nothing."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewTab
from tests.browser.line import Line
from tests.browser.site import Site
from tests.browser.tab import Tab
from tests.support.waiting import until, until_is

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "Connection lost. Reconnecting"
STEP_MS = 2_000
"""Less than the page waits for any answer (web/client/policy.js)."""


async def test_messages_written_during_an_outage_arrive_once_and_in_order(
    site: Site, lobby: tuple[Tab, Tab]
) -> None:
    ann, bob = lobby
    await ann.say("before")
    await bob.shows("before")
    await site.cable.cut()
    await expect(ann.status).to_contain_text(LOST)
    await ann.say("meanwhile 1", "meanwhile 2")
    await expect(ann.unsent).to_have_text(["meanwhile 1", "meanwhile 2"])
    await expect(ann.status).to_contain_text("2 messages will be sent then.")
    await site.cable.lay()
    await expect(ann.status).to_be_hidden()
    await ann.shows("before", "meanwhile 1", "meanwhile 2")
    await bob.shows("before", "meanwhile 1", "meanwhile 2")


async def test_connections_that_end_again_and_again_lose_and_double_nothing(
    site: Site, lobby: tuple[Tab, Tab]
) -> None:
    ann, bob = lobby
    texts = [f"{n}" for n in range(30)]

    async def talk() -> None:
        for text in texts:
            await ann.say(text)

    talking = asyncio.create_task(talk())
    while not talking.done():
        seen = await bob.messages.count()
        await site.blink()
        await expect(bob.messages).not_to_have_count(seen)
    await talking
    await ann.shows(*texts)
    await bob.shows(*texts)


async def test_a_page_survives_a_killed_gateway(
    site: Site, lobby: tuple[Tab, Tab]
) -> None:
    ann, bob = lobby
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


async def test_a_message_whose_answer_is_lost_is_sent_again_and_shown_once(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    line = await Line.of(ann.page)
    token = (await site.sign_up("ann"))["access"]
    await ann.enter("lobby", "ann")
    site.cable.mute()
    await ann.say("did it arrive?")
    await until_is(lambda: site.said(token, "lobby"), bool)
    await expect(ann.unsent).to_have_text(["did it arrive?"])
    await site.blink()
    await ann.shows("did it arrive?")
    assert line.sends == 2
    assert await site.said(token, "lobby") == ["did it arrive?"]


async def test_unsent_messages_outlive_the_page(
    site: Site, new_tab: NewTab, lobby: tuple[Tab, Tab]
) -> None:
    ann, bob = lobby
    await site.cable.cut()
    await expect(ann.status).to_contain_text(LOST)
    await ann.say("written without a connection")
    await expect(ann.unsent).to_have_count(1)
    later = await new_tab(ann)
    await ann.page.close()
    await site.cable.lay()
    await later.visit(f"/chat/{site.named('lobby')}")
    await later.shows("written without a connection")
    await bob.shows("written without a connection")


async def test_what_was_said_meanwhile_is_there_after_the_outage(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    bob = await site.sign_up("bob")
    await ann.enter("lobby", "ann")
    await site.post(bob["access"], "lobby", "one")
    await ann.shows("one")
    await site.cable.cut()
    texts = [f"meanwhile {n}" for n in range(60)]
    await site.post(bob["access"], "lobby", *texts)
    await site.cable.lay()
    await ann.shows("one", *texts)


async def test_a_refused_message_is_kept_until_its_writer_decides(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    line = await Line.of(ann.page)
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    line.is_closed_to_writers = True
    await ann.say("one", "two")
    failed = ann.page.locator("#unsent .failed")
    await expect(failed).to_have_count(2)
    await expect(failed.first).to_contain_text("Not sent: nobody may write here")
    await failed.nth(1).get_by_role("button", name="Discard").click()
    await expect(failed).to_have_count(1)
    line.is_closed_to_writers = False
    await failed.get_by_role("button", name="Send again").click()
    await ann.shows("one")


async def test_a_token_that_expires_is_renewed_without_a_word(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    line = await Line.of(ann.page)
    asked: list[str] = []
    renewed: list[str] = []
    path = "/api/tokens/refresh"
    ann.page.on("request", lambda one: asked.extend([path] * (path in one.url)))
    ann.page.on(
        "requestfinished", lambda one: renewed.extend([path] * (path in one.url))
    )
    await ann.page.clock.install()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    while len(renewed) < 2:  # half an hour, as the page sees it
        await ann.page.clock.run_for(STEP_MS)
        await until(lambda: line.is_quiet and len(asked) == len(renewed), "answers")
    await ann.say("still here")
    await ann.shows("still here")
    assert line.connections == 1


async def test_a_session_that_is_ended_asks_for_a_log_in(
    site: Site, new_tab: NewTab, desk: str
) -> None:
    ann = await new_tab()
    user = (await site.sign_up("ann"))["user"]["id"]
    await ann.enter("lobby", "ann")
    await site.revoke(desk, user)
    await expect(ann.page.get_by_text("Your session was ended.")).to_be_visible()
    await expect(ann.page.get_by_label("Username")).to_be_focused()
    await ann.log_in("ann")
    await ann.entered()


async def test_an_expired_session_comes_back_with_a_fresh_token(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    line = await Line.of(ann.page)
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await line.close(4502)
    await until(lambda: line.connections == 2, "another connection")
    await ann.say("back")
    await ann.shows("back")


async def test_a_close_for_good_waits_for_the_user(site: Site, new_tab: NewTab) -> None:
    ann = await new_tab()
    line = await Line.of(ann.page)
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await line.close(4500)
    await expect(ann.status).to_contain_text("The server closed the connection")
    await ann.say("later")
    await expect(ann.unsent).to_have_text(["later"])
    await ann.page.get_by_role("button", name="Connect again").click()
    await ann.shows("later")
