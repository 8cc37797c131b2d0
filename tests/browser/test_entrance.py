"""Choosing a room, logging in and out."""

import pytest
from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import NewTab
from tests.browser.site import PASSWORD, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_entrance_asks_for_a_room_and_then_for_a_log_in(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.visit("/chat")
    await expect(ann.page.get_by_label("Room", exact=True)).to_be_focused()
    await axe.finds_nothing_serious(ann.page)
    await ann.page.keyboard.type(site.named("lobby"))
    await ann.page.keyboard.press("Enter")
    await expect(ann.page).to_have_url(f"{site.url}/chat/{site.named('lobby')}")
    await ann.log_in("ann")
    await ann.entered()
    await ann.say("hello")
    await ann.shows("hello")
    await axe.finds_nothing_serious(ann.page)
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(
        site.named("lobby")
    )
    await expect(ann.text).to_be_focused()


@pytest.mark.parametrize("name", ["a.b", "*", ">", "two words", "x" * 65, ""])
async def test_a_bad_name_is_refused_in_words(new_tab: NewTab, name: str) -> None:
    ann = await new_tab()
    await ann.visit("/chat")
    await ann.page.get_by_label("Room", exact=True).fill(name)
    await ann.page.get_by_role("button", name="Enter").click()
    alert = ann.page.get_by_role("alert").filter(has_text="1 to 64 letters")
    await expect(alert).to_be_visible()
    assert ann.page.url.endswith("/chat")


@pytest.mark.parametrize("path", ["a.b", "two%20words", "%3E", "%ff", "x" * 65])
async def test_a_bad_name_in_the_address_asks_for_another(
    new_tab: NewTab, path: str
) -> None:
    ann = await new_tab()
    await ann.visit(f"/chat/{path}")
    await expect(ann.page.get_by_text("can't be a room's name")).to_be_visible()
    await expect(ann.log).to_be_hidden()


async def test_signing_up_enters_the_room(site: Site, new_tab: NewTab) -> None:
    ann = await new_tab()
    await ann.visit(f"/chat/{site.named('lobby')}")
    await ann.page.get_by_role("button", name="New here? Sign up").click()
    await ann.page.get_by_label("Username").fill(site.named("ann"))
    await ann.page.get_by_label("Password").fill(PASSWORD)
    await ann.page.get_by_label("First name").fill("Ann")
    await ann.page.get_by_label("driver").check()
    await ann.page.get_by_role("button", name="Sign up", exact=True).click()
    await ann.entered()
    await ann.has_members("Ann (you)")


async def test_a_wrong_password_and_a_taken_name_are_explained(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.visit(f"/chat/{site.named('lobby')}")
    await ann.log_in("ann", "wrong password")
    await expect(ann.page.get_by_text("Wrong username or password.")).to_be_visible()
    await ann.page.get_by_role("button", name="New here? Sign up").click()
    await ann.page.get_by_label("Username").fill(site.named("ann"))
    await ann.page.get_by_label("Password").fill(PASSWORD)
    await ann.page.get_by_role("button", name="Sign up", exact=True).click()
    await expect(ann.page.get_by_role("alert").filter(has_text="taken")).to_be_visible()


async def test_a_reload_needs_no_password_and_a_log_out_does(
    site: Site, new_tab: NewTab
) -> None:
    ann = await new_tab()
    await site.sign_up("ann")
    await ann.enter("lobby", "ann")
    await ann.say("hello")
    await ann.shows("hello")
    await ann.page.reload()
    await ann.entered()
    await ann.shows("hello")
    await ann.page.get_by_role("button", name="Log out").click()
    await expect(ann.page.get_by_label("Username")).to_be_focused()
    await expect(ann.messages).to_have_count(0)
    await ann.page.reload()
    await expect(ann.page.get_by_label("Username")).to_be_visible()
    assert await ann.page.evaluate("Object.keys(localStorage)") == []


async def test_logging_out_ends_the_session_on_the_server_and_in_the_other_tab(
    site: Site, new_tab: NewTab
) -> None:
    first, bob = await new_tab(), await new_tab()
    await site.sign_up("ann")
    await site.sign_up("bob")
    await bob.enter("lobby", "bob")
    await first.enter("lobby", "ann")
    second = await new_tab(first)
    await second.visit(f"/chat/{site.named('lobby')}")
    await second.entered()
    kept = await first.page.evaluate("localStorage.getItem('cabrank.account')")
    await first.page.get_by_role("button", name="Log out").click()
    await expect(second.page.get_by_label("Username")).to_be_visible()
    await bob.has_members("bob (you)")
    # The refresh token that was stored is worth nothing any more.
    await first.page.evaluate("v => localStorage.setItem('cabrank.account', v)", kept)
    await first.page.reload()
    await expect(first.page.get_by_label("Username")).to_be_visible()


async def test_another_user_in_another_tab_takes_this_one_too(
    site: Site, new_tab: NewTab
) -> None:
    first = await new_tab()
    await site.sign_up("ann")
    await site.sign_up("bob")
    await first.enter("lobby", "ann")
    second = await new_tab(first)
    await second.visit(f"/chat/{site.named('lobby')}")
    await second.entered()
    await first.page.get_by_role("button", name="Log out").click()
    await first.log_in("bob")
    await first.entered()
    await second.say("whose is this?")
    await second.shows("whose is this?")
    await first.has_members("bob (you)")


async def test_the_page_is_made_of_its_own_files_only(new_tab: NewTab) -> None:
    ann = await new_tab()
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url))
    await ann.visit("/chat")
    await expect(ann.page.get_by_label("Room", exact=True)).to_be_visible()
    assert [url for url in asked if not url.startswith(ann.site.url)] == []
