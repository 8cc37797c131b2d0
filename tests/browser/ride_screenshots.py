"""The screenshots of /, /rider and /driver, in `cabrank demo`."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.conftest import FLAGS
from tests.support.stack import Stack
from tests.support.waiting import until

DESK = {"width": 1080, "height": 680}
PHONE = {"width": 390, "height": 780}
PLACE = {"latitude": 43.7376, "longitude": 7.4213}
"""Of the driver: in Rue Grimaldi, where the riders are."""
PATIENCE_MS = 60_000


class Studio:
    """A browser before a demo."""

    def __init__(self, browser: Browser, demo: Stack, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        kept = json.loads((demo.data_dir / "demo.json").read_text())
        self.url = demo.url
        self.password: str = kept["password"]

    async def context(self, **options: object) -> BrowserContext:
        options = {"locale": "en-GB", "timezone_id": "Europe/Monaco", **options}
        made = await self._browser.new_context(**options)  # type: ignore[arg-type]
        made.set_default_timeout(PATIENCE_MS)
        return made

    async def visit(self, context: BrowserContext, path: str, name: str = "") -> Page:
        page = await context.new_page()
        await page.goto(self.url + path)
        if name:
            await page.get_by_label("Username").fill(name)
            await page.get_by_label("Password").fill(self.password)
            await page.get_by_role("button", name="Log in", exact=True).click()
        return page

    async def shoot(self, page: Page, name: str) -> None:
        """With streets, and once what glides has come to rest."""
        await page.wait_for_timeout(1_200)
        await page.screenshot(path=self._folder / f"{name}.png")


async def _request(rider: Page) -> None:
    await rider.get_by_label("Pick-up").fill("Rue Grimaldi")
    await rider.get_by_label("Drop-off").fill("Avenue Princesse Grace")


async def _ride(studio: Studio) -> None:
    """One trip, the driver's page beside the rider's."""
    driving = await studio.context(
        viewport=PHONE,
        color_scheme="dark",
        permissions=["geolocation"],
        geolocation=PLACE,
    )
    driver = await studio.visit(driving, "/driver", "demo-driver")
    await expect(driver.get_by_text("Your position is sent")).to_be_visible()
    await studio.shoot(driver, "drive-online-dark")
    riding = await studio.context(viewport=DESK)
    rider = await studio.visit(riding, "/rider", "demo-rider")
    await _request(rider)
    await rider.get_by_role("button", name="Request a ride").click()
    await driver.get_by_role("button", name="Accept").wait_for(timeout=PATIENCE_MS)
    await studio.shoot(driver, "drive-offer-dark")
    await driver.get_by_role("button", name="Accept").click()
    await driver.locator("#talk summary").click()
    await driver.get_by_label("Message").fill("On my way, two minutes.")
    await driver.keyboard.press("Enter")
    await driving.set_geolocation({"latitude": 43.7388, "longitude": 7.4236})
    await rider.locator("#talk summary").click()
    await rider.get_by_label("Message").fill("I'm by the bakery.")
    await rider.keyboard.press("Enter")
    await expect(rider.locator("#trip-figures")).to_be_visible()
    await studio.shoot(rider, "ride-way-light")
    await studio.shoot(driver, "drive-trip-dark")


async def _others(studio: Studio) -> None:
    phone = await studio.context(viewport=PHONE)
    await studio.shoot(await studio.visit(phone, "/"), "home-phone")
    dark = await studio.context(viewport=DESK, color_scheme="dark")
    home = await studio.visit(dark, "/")
    await expect(home.get_by_text("All is well")).to_be_visible()
    await studio.shoot(home, "home-dark")
    await studio.shoot(await studio.visit(phone, "/rider"), "ride-log-in-phone")
    german = await studio.context(viewport=PHONE, locale="de-DE")
    page = await studio.visit(german, "/rider")
    await page.get_by_label("Benutzername").fill("demo-rider")
    await page.get_by_label("Passwort").fill(studio.password)
    await page.get_by_role("button", name="Anmelden", exact=True).click()
    await expect(page.get_by_role("heading", level=2).first).to_be_visible()
    await studio.shoot(page, "ride-german-phone")


async def draw_ride(folder: Path) -> None:
    with TemporaryDirectory() as place:
        demo = Stack(Path(place) / "data", "--drivers", "12", command="demo")
        demo.start()
        try:
            await until(lambda: "the operator is" in demo.said, "its log-ins", 60)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=FLAGS
                )
                studio = Studio(browser, demo, folder)
                await _ride(studio)
                await _others(studio)
                await browser.close()
        finally:
            demo.stop()
