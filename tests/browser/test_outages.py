"""What is lost and doubled when connections, answers and servers go: nothing."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewTab
from tests.browser.site import Site
from tests.browser.tab import Tab
from tests.support.fake_chat import FakeChat
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "Connection lost. Reconnecting"


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


async def test_a_server_that_dies_again_and_again_loses_and_doubles_nothing(
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
        await site.crash()
        await expect(bob.messages).not_to_have_count(seen)
    await talking
    await ann.shows(*texts)
    await bob.shows(*texts)


async def test_a_message_whose_answer_is_lost_is_sent_again_and_shown_once(
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    site.cable.mute()
    await ann.say("did it arrive?")
    await until(lambda: fake.sends == 1, "the message")
    await expect(ann.unsent).to_have_text(["did it arrive?"])
    await site.crash()
    await ann.shows("did it arrive?")
    await until(lambda: fake.sends == 2, "the message, again")
    assert len(fake.rooms["lobby"]) == 1


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
    await later.visit("/chat/lobby")
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
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    fake.closed_rooms.add("lobby")
    await ann.say("one", "two")
    failed = ann.page.locator("#unsent .failed")
    await expect(failed).to_have_count(2)
    await expect(failed.first).to_contain_text("Not sent: nobody may write here")
    await failed.nth(1).get_by_role("button", name="Discard").click()
    await expect(failed).to_have_count(1)
    fake.closed_rooms.clear()
    await failed.get_by_role("button", name="Send again").click()
    await ann.shows("one")


async def test_a_token_that_expires_is_renewed_without_a_word(
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    fake.access_s = 1.0
    fake.heartbeat_s = 0.2
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await until(lambda: fake.refreshes >= 3, "renewals")
    await ann.say("still here")
    await ann.shows("still here")
    assert len(fake.connections) == 1


async def test_a_session_that_is_ended_asks_for_a_log_in(
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    for connection in list(fake.connections):
        assert connection.session is not None
        await fake.revoke(connection.session)
    await expect(ann.page.get_by_text("Your session was ended.")).to_be_visible()
    await expect(ann.page.get_by_label("Username")).to_be_focused()
    await ann.log_in("ann")
    await ann.entered()


async def test_an_expired_session_comes_back_with_a_fresh_token(
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    [connection] = fake.connections
    await connection.close(4502)
    await until(lambda: fake.connections - {connection}, "another connection")
    await ann.say("back")
    await ann.shows("back")


async def test_a_close_for_good_waits_for_the_user(
    fake: FakeChat, site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    [connection] = fake.connections
    await connection.close(4500)
    await expect(ann.status).to_contain_text("The server closed the connection")
    await ann.say("later")
    await expect(ann.unsent).to_have_text(["later"])
    await ann.page.get_by_role("button", name="Connect again").click()
    await ann.shows("later")
