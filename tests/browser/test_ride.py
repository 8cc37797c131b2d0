"""/rider and /driver against `cabrank up`: a trip from both sides of it."""

import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser import axe
from tests.browser.conftest import NewTab
from tests.browser.site import PASSWORD, Site, before
from tests.browser.street import (
    ask,
    click_map,
    come,
    go_online,
    heading,
    hears,
    named,
    press,
    shows,
    write,
)
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True}
WEIGHT_MAX_BYTES = 300 * 1024
"""Of all that /rider is made of, gzipped: what issue 18 allows."""


@pytest_asyncio.fixture(loop_scope="session")
async def site(stack: Stack) -> AsyncIterator[Site]:
    async with before(stack) as made:
        yield made


async def test_two_browsers_ride_and_drive_one_trip(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("ride-bob", "driver", "Bob")
    rider = await new_tab(**PHONE, locale="en-GB")
    driver = await new_tab(**PHONE, locale="en-GB", color_scheme="dark")
    await go_online(driver, "ride-bob")
    await axe.finds_nothing_serious(driver.page)

    await rider.visit("/rider")
    await press(rider, "New here? Sign up")
    await rider.page.get_by_label("Username").fill("ride-ann")
    password = rider.page.get_by_label("Password")
    await password.fill("short")
    await press(rider, "Sign up")
    await expect(password).to_be_focused()  # which is what must be mended
    await password.fill(PASSWORD)
    await rider.page.get_by_label("First name").fill("Ann")
    await axe.finds_nothing_serious(rider.page)
    await press(rider, "Sign up")
    await shows(rider, "Where to?")
    await press(rider, "Request a ride")
    missing = rider.page.get_by_text("Where shall the driver come?")
    await expect(missing).to_be_visible()
    # By the map: the pick-up, then, its turn being over, the drop-off.
    await click_map(rider, 0.45, 0.45)
    await click_map(rider, 0.55, 0.55)
    for label in ("Pick-up", "Drop-off"):
        await expect(rider.page.get_by_label(label)).not_to_have_value("")
    # By words: a street has a place.
    await rider.page.get_by_label("Pick-up").fill("rue GRIMALDI")
    await rider.page.get_by_label("Pick-up").press("Tab")
    known = rider.page.get_by_text("Type an address, or choose on the map.")
    await expect(known).to_be_visible()
    await rider.page.get_by_text("Later, or a note").click()
    await rider.page.get_by_label("Note for the driver").fill("Ring twice")
    await axe.finds_nothing_serious(rider.page)
    await rider.page.get_by_label("Drop-off").press("Enter")
    await shows(rider, "Asking drivers near you…")

    await shows(driver, "A trip for you")
    ring = driver.page.get_by_role("timer")
    await expect(ring).to_have_accessible_name(re.compile(r"^\d+ seconds left$"))
    await expect(driver.page.locator("#offer-figures")).to_contain_text("away")
    await expect(driver.page.locator("#offer-note")).to_have_text("Ring twice")
    await axe.finds_nothing_serious(driver.page)
    await named(driver, "Accept").press("Enter")
    await shows(rider, "Bob is on the way")
    await shows(driver, "Drive to Ann")
    await expect(heading(driver).filter(visible=True)).to_be_focused()
    await click_map(driver, 0.4, 0.6)
    await expect(rider.page.locator("#trip-figures")).to_contain_text("min")

    await write(rider, "I wear <b>a hat</b>")
    unread = driver.page.get_by_text("1 new")
    await expect(unread).to_be_visible()
    await write(driver, "I see it")
    await hears(rider, "I see it")
    await axe.finds_nothing_serious(rider.page)

    # A reload, a second tab, and a time without a network change nothing.
    await driver.page.reload()
    await shows(driver, "Drive to Ann")
    second = await new_tab(rider)
    await second.visit("/rider")
    await shows(second, "Bob is on the way")
    await site.cable.cut()
    await expect(rider.page.get_by_text("Reconnecting")).to_be_visible()
    await site.cable.lay()
    await expect(driver.page.get_by_text("Reconnecting")).to_be_hidden()
    await named(driver, "I am at the pick-up").press("Enter")
    await shows(rider, "Bob is here")
    await expect(named(driver, "The rider is in")).to_be_focused()
    await shows(second, "Bob is here")
    await press(driver, "The rider is in")
    await shows(rider, "On your way with Bob")
    await expect(named(rider, "Cancel the ride")).to_be_hidden()
    await press(driver, "Trip done")
    await shows(rider, "You have arrived")
    await shows(driver, "You are online")

    for tab, summary in ((rider, "Your trips"), (driver, "Today")):
        await tab.page.get_by_text(summary, exact=True).click()
        await expect(tab.page.locator("#history-list li")).to_contain_text("done")
    await axe.finds_nothing_serious(driver.page)
    await press(rider, "Next ride")
    await shows(rider, "Where to?")
    await press(driver, "Go offline")
    await shows(driver, "You are offline")
    await axe.finds_nothing_serious(driver.page)
    for tab in (driver, rider):
        await press(tab, "Log out")
        await expect(tab.page.get_by_label("Username")).to_be_focused()
        assert await tab.page.evaluate("Object.keys(localStorage)") == []


async def test_a_ride_is_declined_given_back_and_cancelled(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("back-ann", first_name="Ann")
    await site.sign_up("back-bob", "driver", "Bob")
    still = {"reduced_motion": "reduce"}
    rider, driver = await new_tab(**still), await new_tab(**still)
    await go_online(driver, "back-bob")
    await come(rider, "/rider", "back-ann")
    await ask(rider)
    await shows(driver, "A trip for you")
    # Who wants nothing to move sees nothing that does; the seconds count all the same.
    for tab in (rider, driver):
        assert await tab.page.evaluate("document.getAnimations().length") == 0
    shrunk = driver.page.locator("#ring circle.rest[stroke-dashoffset]")
    await expect(shrunk).to_have_count(1)
    # A desk at 200 %, or a phone on its side: the map is there beside the sheet.
    for tab in (rider, driver):
        await tab.page.set_viewport_size({"width": 640, "height": 400})
        box = await tab.page.locator("#map").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 200
        await tab.fits(640, 400)
        await tab.fits(320, 640)
    await named(driver, "Decline").press("Enter")
    await expect(driver.page.locator("#news")).to_have_text("Declined.")
    await named(rider, "Cancel the ride").press("Enter")
    await expect(named(rider, "Yes, cancel")).to_be_focused()
    await rider.page.keyboard.press("Enter")
    await shows(rider, "The ride was cancelled")
    # Who has no mouse goes on where it is told.
    await expect(heading(rider).filter(visible=True)).to_be_focused()
    await press(rider, "Ask again")
    await expect(rider.page.get_by_label("Pick-up")).to_have_value("Rue Grimaldi")
    # The map by keys: Enter is its middle, for the field that somebody was in last.
    await rider.page.get_by_label("Drop-off").fill("")
    surface = rider.page.get_by_role("application")
    for key in ("ArrowLeft", "+", "-", "Enter"):
        await surface.press(key)
    await expect(rider.page.get_by_label("Drop-off")).not_to_have_value("")
    # Words that are no place on the map: all drivers are told, and one takes it.
    await ask(rider, "behind the old church")
    await press(driver, "Take it")
    await shows(rider, "Bob is on the way")
    await press(driver, "Give the trip back", "Yes, give it back")
    await shows(rider, "Asking drivers near you…")
    await expect(driver.page.locator("#news")).to_have_text("The trip is given back.")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await shows(rider, "The ride was cancelled")
    await press(driver, "Go offline")
    await shows(driver, "You are offline")


async def test_a_ride_is_booked_changed_and_cancelled(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("book-ann", first_name="Ann")
    rider = await new_tab(**PHONE, locale="en-GB", timezone_id="Pacific/Auckland")
    await come(rider, "/rider", "book-ann")
    await rider.page.get_by_text("Later, or a note").click()
    at = rider.page.get_by_label("When")
    await at.fill("2020-01-01T10:00")
    await press(rider, "Book the ride")  # no places yet
    await expect(rider.page.get_by_label("Pick-up")).to_be_focused()
    await ask(rider, "Rue Grimaldi", "The airport", "Book the ride")
    past = rider.page.get_by_text("from now to 30 days ahead")
    await expect(past).to_be_visible()
    # As the clock on the wall has it, wherever the wall is.
    tomorrow = await rider.page.evaluate(
        "new Date(Date.now() + 864e5).toLocaleString('sv').slice(0, 16)"
    )
    await at.fill(tomorrow.replace(" ", "T"))
    await rider.page.get_by_label("Note for the driver").fill("Two children")
    await press(rider, "Book the ride")
    booked = rider.page.locator("#booked-list > li")
    await expect(booked).to_contain_text(["Two children"])
    await expect(booked).to_contain_text([tomorrow[-5:]])
    await axe.finds_nothing_serious(rider.page)
    await rider.page.reload()
    await press(rider, "Change")
    await expect(rider.page.get_by_label("Drop-off")).to_have_value("The airport")
    await rider.page.get_by_label("Drop-off").fill("The station")
    await rider.page.get_by_label("Note for the driver").fill("")
    await press(rider, "Save the change")
    await expect(booked).to_contain_text(["Rue Grimaldi → The station"])
    await expect(booked).not_to_contain_text("Two children")
    await press(rider, "Change", "Leave it as it is")
    await expect(rider.page.get_by_label("Drop-off")).to_have_value("")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await shows(rider, "The ride was cancelled")
    await expect(booked).to_have_count(0)


async def test_the_page_opens_without_a_network_and_shows_the_trip(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("dark-ann", first_name="Ann")
    rider = await new_tab(**PHONE)
    await come(rider, "/rider", "dark-ann")
    await ask(rider)
    await shows(rider, "Asking drivers near you…")
    await rider.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    # Chromium would install it, were this no window that forgets everything.
    session = await rider.page.context.new_cdp_session(rider.page)
    told = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    assert {each["errorId"] for each in told} <= {"in-incognito"}
    # The files that came before the worker was there are its own from the next load on.
    await rider.page.reload()
    await shows(rider, "Asking drivers near you…")
    await site.cable.cut()
    await rider.page.reload()
    await shows(rider, "Asking drivers near you…")
    await expect(rider.page.locator("#status")).to_be_visible()
    await site.cable.lay()
    await expect(rider.page.locator("#status")).to_be_hidden()
    await press(rider, "Cancel the ride", "Yes, cancel")
    await shows(rider, "The ride was cancelled")


async def test_the_pages_speak_german_and_are_light_and_tell_whose_they_are(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("sprich-ann", first_name="Änne")
    rider = await new_tab(**PHONE, locale="de-AT")
    asked: set[str] = set()
    rider.page.on("request", lambda request: asked.add(request.url))
    await rider.visit("/rider")
    await rider.page.get_by_label("Benutzername").fill("sprich-ann")
    await rider.page.get_by_label("Passwort").fill(PASSWORD)
    await press(rider, "Anmelden")
    await shows(rider, "Wohin?")
    await expect(rider.page.get_by_role("link", name="OpenStreetMap")).to_be_visible()
    assert await rider.page.evaluate("document.documentElement.lang") == "de"
    parts = {url for url in asked if "/static/" in url or url.endswith("/rider")}
    assert any(url.endswith("monaco.json") for url in parts)
    async with httpx.AsyncClient(trust_env=False) as http:
        bodies = [(await http.get(url)).content for url in parts]
    assert sum(len(gzip.compress(body)) for body in bodies) <= WEIGHT_MAX_BYTES
    await rider.visit("/driver")
    told = rider.page.get_by_text("Angemeldet ist Änne (Fahrgast)")
    await expect(told).to_be_visible()
    await rider.page.get_by_role("link", name="Zu meiner Seite").click()
    await shows(rider, "Wohin?")
    await rider.visit("/chat")
    await shows(rider, "In welchen Raum möchten Sie?")
    await rider.visit("/")
    await expect(rider.page.get_by_text("Alles gut")).to_be_visible()
    await axe.finds_nothing_serious(rider.page)
    await site.cable.cut()
    await rider.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(rider.page.get_by_text("Der Server antwortet nicht")).to_be_visible()
    await site.cable.lay()
