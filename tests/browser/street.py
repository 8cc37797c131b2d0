"""/rider and /driver as their users see them."""

from playwright.async_api import Locator, expect

from tests.browser.tab import Tab

PICK_UP = "Rue Grimaldi"
"""A street that the map knows."""


def heading(tab: Tab) -> Locator:
    """What is up."""
    return tab.page.get_by_role("heading", level=2)


async def shows(tab: Tab, text: str) -> None:
    await expect(heading(tab).filter(visible=True)).to_have_text(text)


def named(tab: Tab, text: str) -> Locator:
    return tab.page.get_by_role("button", name=text, exact=True)


async def press(tab: Tab, *names: str) -> None:
    for name in names:
        await named(tab, name).click()


async def click_map(tab: Tab, right: float, down: float) -> None:
    """At a share of its width and height, once its streets are drawn."""
    credit = tab.page.get_by_role("link", name="OpenStreetMap")
    await expect(credit).to_be_visible()
    surface = tab.page.get_by_role("application")
    box = await surface.bounding_box()
    assert box is not None
    at = {"x": box["width"] * right, "y": box["height"] * down}
    await surface.click(position=at)  # type: ignore[arg-type]


async def come(tab: Tab, path: str, username: str) -> None:
    await tab.visit(path)
    await tab.log_in(username)


async def go_online(driver: Tab, username: str) -> None:
    """Somewhere in the middle of the map."""
    await come(driver, "/driver", username)
    await shows(driver, "You are online")
    await click_map(driver, 0.5, 0.5)
    placed = driver.page.get_by_text("Placed by hand")
    await expect(placed).to_be_visible()


async def ask(
    rider: Tab,
    pick_up: str = PICK_UP,
    drop_off: str = "Somewhere",
    name: str = "Request a ride",
) -> None:
    await rider.page.get_by_label("Pick-up").fill(pick_up)
    await rider.page.get_by_label("Drop-off").fill(drop_off)
    await press(rider, name)


async def write(tab: Tab, text: str) -> None:
    """Into the trip's chat, which is unfolded for it."""
    field = tab.page.get_by_label("Message", exact=True)
    if not await field.is_visible():
        await tab.page.locator("#talk summary").click()
    await field.fill(text)
    await field.press("Enter")


async def hears(tab: Tab, text: str) -> None:
    await expect(tab.page.locator("#talk-log .text").last).to_have_text(text)
