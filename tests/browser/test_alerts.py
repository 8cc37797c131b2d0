"""What makes a driver look up, and where the browser says they are; a driver's page
that sleeps, has a second tab, or no network.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import NewTab
from tests.browser.site import Site, before
from tests.browser.street import ask, come, go_online, press, shows
from tests.browser.tab import Tab
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"viewport": {"width": 390, "height": 780}, "locale": "en-GB"}
HERE = {"latitude": 43.7376, "longitude": 7.4213}
THERE = {"latitude": 43.7390, "longitude": 7.4260}
LISTEN = """() => {
  globalThis.heard = { tones: [], buzzes: [] };
  const node = { connect: (next) => next, gain: {
    setValueAtTime() {}, exponentialRampToValueAtTime() {} } };
  globalThis.AudioContext = class {
    state = "suspended";
    currentTime = 0;
    destination = node;
    resume() { this.state = "running"; return Promise.resolve(); }
    createGain() { return node; }
    createOscillator() {
      const frequency = {};
      const start = () => heard.tones.push(frequency.value);
      return { ...node, frequency, start, stop() {} };
    }
  };
  navigator.vibrate = (lengths) => heard.buzzes.push(lengths) > 0;
}"""
"""A loudspeaker and a motor that write down what they are told: headless Chromium has
neither."""


@pytest_asyncio.fixture(loop_scope="session")
async def site(stack: Stack) -> AsyncIterator[Site]:
    async with before(stack) as made:
        yield made


async def online(
    site: Site, new_tab: NewTab, name: str, *, first: str = ""
) -> tuple[Tab, Tab]:
    """A driver's page, online, and a rider's, nowhere yet: Bob and Ann of that name.
    `first`: a script that runs in the driver's before all others.
    """
    await site.sign_up(f"{name}-ann", first_name="Ann")
    await site.sign_up(f"{name}-bob", "driver", "Bob")
    driver, rider = await new_tab(**PHONE), await new_tab(**PHONE)
    if first:
        await driver.page.add_init_script(first)
    await go_online(driver, f"{name}-bob")
    return driver, rider


async def heard(tab: Tab) -> tuple[int, int]:
    """How many tones and buzzes so far."""
    told = await tab.page.evaluate("[heard.tones.length, heard.buzzes.length]")
    return told[0], told[1]


async def test_an_offer_sounds_and_buzzes_for_who_has_touched_the_page(
    site: Site, new_tab: NewTab
) -> None:
    driver, rider = await online(site, new_tab, "loud", first=f"({LISTEN})()")
    await come(rider, "/rider", "loud-ann")
    assert await heard(driver) == (0, 0)
    await ask(rider)
    await shows(driver, "A trip for you")
    assert await heard(driver) == (2, 1)
    await expect(driver.page).to_have_title("● A trip for you")
    await press(driver, "Decline")
    await expect(driver.page).not_to_have_title("● A trip for you")
    assert await heard(driver) == (2, 1)
    await press(rider, "Cancel the ride", "Yes, cancel")
    await press(driver, "Go offline")


async def test_an_offer_is_silent_where_nobody_has_touched_the_page(
    site: Site, new_tab: NewTab
) -> None:
    """As browsers allow it: after a reload, say."""
    driver, rider = await online(site, new_tab, "mute", first=f"({LISTEN})()")
    await driver.page.reload()
    await shows(driver, "You are online")
    await come(rider, "/rider", "mute-ann")
    await ask(rider)
    await shows(driver, "A trip for you")
    # The browser itself says whom a buzz is for: who touched the site before is one.
    assert (await heard(driver))[0] == 0
    await press(driver, "Decline")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await press(driver, "Go offline")


async def test_the_browser_s_position_is_the_driver_s_and_moves_with_it(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("move-ann", first_name="Ann")
    await site.sign_up("move-bob", "driver", "Bob")
    driver = await new_tab(**PHONE, permissions=["geolocation"], geolocation=HERE)
    rider = await new_tab(**PHONE)
    await come(driver, "/driver", "move-bob")
    told = driver.page.get_by_text("Your position is sent every few seconds.")
    await expect(told).to_be_visible()
    await come(rider, "/rider", "move-ann")
    await ask(rider)
    await shows(driver, "A trip for you")
    await press(driver, "Accept")
    await shows(rider, "Bob is on the way")
    figures = rider.page.locator("#trip-figures")
    await expect(figures).to_contain_text("min")
    near = await figures.text_content()
    await driver.page.context.set_geolocation(THERE)  # type: ignore[arg-type]
    await expect(figures).not_to_have_text(near or "")
    await press(driver, "Give the trip back", "Yes, give it back")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await shows(driver, "You are online")
    await press(driver, "Go offline")


async def test_a_rider_s_own_position_is_the_pick_up_or_it_is_said_why_not(
    site: Site, new_tab: NewTab
) -> None:
    await site.sign_up("spot-ann", first_name="Ann")
    rider = await new_tab(**PHONE, permissions=["geolocation"], geolocation=HERE)
    await come(rider, "/rider", "spot-ann")
    await press(rider, "My position")
    await expect(rider.page.get_by_label("Pick-up")).not_to_have_value("")
    other = await new_tab(**PHONE)
    await come(other, "/rider", "spot-ann")
    await press(other, "My position")
    why = other.page.get_by_text("The browser doesn't tell where you are.")
    await expect(why).to_be_visible()


async def test_an_offer_shows_in_both_tabs_and_goes_from_both(
    site: Site, new_tab: NewTab
) -> None:
    first, rider = await online(site, new_tab, "two")
    second = await new_tab(first)
    await second.visit("/driver")
    await shows(second, "You are online")
    await come(rider, "/rider", "two-ann")
    await ask(rider)
    await shows(first, "A trip for you")
    await shows(second, "A trip for you")
    await press(second, "Accept")
    await shows(first, "Drive to Ann")
    await press(first, "Give the trip back", "Yes, give it back")
    await shows(second, "You are online")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await press(first, "Go offline")
    await shows(second, "You are offline")


async def test_a_page_that_slept_or_had_no_network_shows_what_is_true_by_then(
    site: Site, new_tab: NewTab
) -> None:
    driver, rider = await online(site, new_tab, "nap")
    await come(rider, "/rider", "nap-ann")
    await ask(rider)
    await shows(driver, "A trip for you")
    await press(driver, "Accept")
    await shows(driver, "Drive to Ann")
    # The lid is closed: the page stands still while its rider thinks better of it.
    session = await driver.page.context.new_cdp_session(driver.page)
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    await press(rider, "Cancel the ride", "Yes, cancel")
    await shows(rider, "The ride was cancelled")
    await session.send("Debugger.disable")
    await shows(driver, "You are online")
    # And without a network, with the page at work.
    await rider.page.context.set_offline(True)
    await site.cable.cut()
    await expect(rider.status.filter(visible=True).first).to_contain_text("Connect")
    await site.cable.lay()
    await rider.page.context.set_offline(False)
    await expect(rider.page.locator("#status")).to_be_hidden()
    await press(rider, "Next ride")
    await shows(rider, "Where to?")
    await press(driver, "Go offline")
