"""People in rooms, each in a browser of their own."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewTab
from tests.browser.site import Site
from tests.browser.tab import Tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_browsers_in_a_room_see_each_other_and_a_third_elsewhere_nothing(
    site: Site, new_tab: NewTab
) -> None:
    ann, bob, cid = await new_tab(), await new_tab(), await new_tab()
    for tab, room, name in [
        (ann, "lobby", "ann"),
        (bob, "lobby", "bob"),
        (cid, "elsewhere", "cid"),
    ]:
        await site.sign_up(name)
        await tab.enter(room, name)
    await ann.say("Is anybody here?")
    await bob.shows("Is anybody here?")
    await bob.say("I am.")
    await ann.shows("Is anybody here?", "I am.")
    await bob.shows("Is anybody here?", "I am.")
    await cid.say("Just me.")
    await cid.shows("Just me.")


async def test_markup_arrives_as_text(site: Site, lobby: tuple[Tab, Tab]) -> None:
    ann, bob = lobby
    texts = [
        "<script>document.title = 'taken'</script>",
        "<img src=x onerror=\"document.title = 'taken'\">",
        "<b>bold</b> &amp; &lt;i&gt;",
    ]
    await ann.say(*texts)
    await bob.shows(*texts)
    await expect(bob.page.locator("#log img, #log script, #log b")).to_have_count(0)
    await expect(bob.page).to_have_title(f"{site.named('lobby')} · cabrank")


async def test_members_come_and_go(site: Site, new_tab: NewTab) -> None:
    ann, bob = await new_tab(), await new_tab()
    await site.sign_up("ann")
    await site.sign_up("bob")
    await ann.enter("lobby", "ann")
    await ann.has_members("ann (you)")
    await bob.enter("lobby", "bob")
    await ann.has_members("ann (you)", "bob")
    await bob.page.close()
    await ann.has_members("ann (you)")


async def test_who_comes_later_reads_what_was_said(site: Site, new_tab: NewTab) -> None:
    ann, bob = await new_tab(), await new_tab()
    await site.sign_up("ann")
    await site.sign_up("bob")
    await ann.enter("lobby", "ann")
    await ann.say("one", "two")
    await ann.shows("one", "two")
    await bob.enter("lobby", "bob")
    await bob.shows("one", "two")


async def test_earlier_messages_are_fetched_page_by_page(
    site: Site, new_tab: NewTab
) -> None:
    bob = await new_tab()
    ann = await site.sign_up("ann")
    await site.sign_up("bob")
    texts = [f"message {n}" for n in range(1, 131)]
    await site.post(ann["access"], "lobby", *texts)
    await bob.enter("lobby", "bob")
    earlier = bob.page.get_by_role("button", name="Earlier messages")
    first = bob.messages.first
    while await first.inner_text() != "message 1":
        seen = await bob.messages.count()
        await earlier.click()
        await expect(bob.messages).not_to_have_count(seen)
        if await first.inner_text() != "message 1":
            # Who has no mouse presses it again.
            await expect(earlier).to_be_focused()
    await bob.shows(*texts)
    await expect(earlier).to_be_hidden()


async def test_two_tabs_of_one_user_are_one_member_and_show_the_same(
    site: Site, new_tab: NewTab
) -> None:
    first = await new_tab()
    await site.sign_up("ann")
    await first.enter("lobby", "ann")
    second = await new_tab(first)
    await second.visit(f"/chat/{site.named('lobby')}")
    await second.entered()
    await first.say("from the first")
    await second.shows("from the first")
    await second.say("from the second")
    await first.shows("from the first", "from the second")
    await second.has_members("ann (you)")
    await second.page.close()
    await first.say("still here")
    await first.shows("from the first", "from the second", "still here")
    await first.has_members("ann (you)")


async def test_lines_are_kept_and_shift_enter_makes_one(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await ann.text.press_sequentially("a")
    await ann.text.press("Shift+Enter")
    await ann.text.press_sequentially("b")
    await ann.text.press("Enter")
    await ann.shows("a\nb")
    assert await ann.messages.first.inner_text() == "a\nb"


async def test_a_text_that_is_too_long_is_kept_and_explained(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await ann.say("x" * 4001)
    await expect(
        ann.page.get_by_text("1 to 4000 characters; this has 4001")
    ).to_be_visible()
    await expect(ann.text).to_have_value("x" * 4001)
    await ann.say("🚕" * 4000)
    await ann.shows("🚕" * 4000)


async def test_a_room_that_is_somebody_elses_says_so(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.visit("/chat/trip_0192f0c4-0000-7000-8000-00000000aaaa")
    await ann.log_in("ann")
    await expect(ann.status).to_contain_text("You can't enter this room.")
    await expect(ann.text).to_be_hidden()
