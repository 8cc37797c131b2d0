"""The screenshots of /ops and of the form for bookings, in `cabrank demo`."""

import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import (
    BrowserContext,
    Page,
    Playwright,
    Route,
    async_playwright,
    expect,
)

from cabrank.demo.streets import SOURCE, decode
from tests.browser.conftest import FLAGS
from tests.browser.ride_screenshots import PHONE, Studio
from tests.support.stack import Stack
from tests.support.waiting import until

WIDE = {"width": 1360, "height": 820}
NARROW = {"width": 1280, "height": 760}
STYLE_URL = "https://tiles.example/monaco.json"
FLAT = [*FLAGS, "--disable-3d-apis"]
"""Without WebGL the pages draw their own streets."""
DRAWN = [
    *(flag for flag in FLAGS if flag != "--disable-gpu"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
COLOURS = {"main": "#f2b5a7", "second": "#f6d9a8", "walk": "#d8d2e6", "pier": "#d9d9d9"}


def style() -> dict[str, Any]:
    """A style of somebody's, of the same streets, to be drawn by MapLibre."""
    data = json.loads(SOURCE.read_text(encoding="utf-8"))

    def shape(kind: str, line: str, form: str) -> dict[str, Any]:
        places = [[place.lon, place.lat] for place in decode(line)]
        whole = [places] if form == "Polygon" else places
        geometry = {"type": form, "coordinates": whole}
        return {"type": "Feature", "properties": {"kind": kind}, "geometry": geometry}

    ways = [shape(data["kinds"][w[0]], w[3], "LineString") for w in data["ways"]]
    areas = [shape(kind, line, "Polygon") for kind, line in data["areas"]]
    source = {"type": "FeatureCollection", "features": [*areas, *ways]}

    def layer(kind: str, form: str, colour: str, width: int) -> dict[str, Any]:
        paint: dict[str, Any] = {f"{form}-color": colour}
        if form == "line":
            paint["line-width"] = width
        is_kind = ["==", ["get", "kind"], kind]
        base = {"id": kind, "type": form, "source": "city", "filter": is_kind}
        return base | {"paint": paint}

    return {
        "version": 8,
        "center": [7.424, 43.738],
        "sources": {
            "city": {
                "type": "geojson",
                "data": source,
                "attribution": "© OpenStreetMap contributors, drawn by MapLibre",
            }
        },
        "layers": [
            {
                "id": "land",
                "type": "background",
                "paint": {"background-color": "#f8f4ee"},
            },
            layer("sea", "fill", "#a9cfe0", 0),
            layer("green", "fill", "#cfe6c4", 0),
            layer("walk", "line", COLOURS["walk"], 1),
            layer("pier", "line", COLOURS["pier"], 2),
            layer("street", "line", "#ffffff", 3),
            layer("second", "line", COLOURS["second"], 4),
            layer("main", "line", COLOURS["main"], 5),
        ],
    }


async def _log_in(studio: Studio, context: BrowserContext, path: str) -> Page:
    page = await context.new_page()
    await page.goto(studio.url + path)
    await page.locator("#username").fill("demo-operator")
    await page.locator("#password").fill(studio.password)
    await page.locator("#logging-in button[type=submit]").click()
    await expect(page.locator("#tiles dd").first).to_have_text(re.compile(r"\d"))
    return page


async def _console(studio: Studio, path: str, **options: Any) -> Page:
    context = await studio.context(**{"viewport": WIDE, **options})
    page = await _log_in(studio, context, path)
    # So that the charts have something to show.
    await page.wait_for_timeout(26_000)
    return page


async def _flat(playwright: Playwright, demo: Stack, folder: Path) -> None:
    browser = await playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=FLAT
    )
    studio = Studio(browser, demo, folder)
    cells = await _console(studio, "/ops#tab=cells", color_scheme="dark")
    await studio.shoot(cells, "ops-cells-dark")
    await cells.get_by_role("link", name="Health").click()
    await expect(cells.locator("#regions")).to_contain_text("Region main")
    await studio.shoot(cells, "ops-health-dark")
    light = await _console(studio, "/ops#tab=users&q=city-d")
    await studio.shoot(light, "ops-users-light")
    await light.locator("#users a").first.click()
    await expect(light.locator("#person-sessions h3")).to_be_visible()
    await studio.shoot(light, "ops-user-light")
    await light.get_by_role("link", name="Trips").click()
    await light.locator("#list a").nth(2).click()
    await expect(light.locator("#why table").first).to_be_visible()
    await studio.shoot(light, "ops-trip-light")
    german = await _console(studio, "/ops", locale="de-DE", viewport=NARROW)
    await studio.shoot(german, "ops-german-light")
    phone = await _console(studio, "/ops#tab=cells", viewport=PHONE)
    await studio.shoot(phone, "ops-phone")
    for scheme in ("light", "dark"):
        context = await studio.context(viewport=PHONE, color_scheme=scheme)
        rider = await studio.visit(context, "/rider", "demo-rider")
        await rider.get_by_text("Later, or a note").click()
        await rider.get_by_label("Pick-up").fill("Rue Grimaldi")
        await rider.get_by_label("Drop-off").fill("Avenue Princesse Grace")
        await rider.get_by_label("Note for the driver").fill("Two children")
        await studio.shoot(rider, f"ride-booking-{scheme}")
    await browser.close()


async def _drawn(playwright: Playwright, demo: Stack, folder: Path) -> None:
    browser = await playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=DRAWN
    )
    studio = Studio(browser, demo, folder)
    body = json.dumps(style())

    async def serve(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*"}
        await route.fulfill(body=body, content_type="application/json", headers=headers)

    context = await studio.context(viewport=WIDE, service_workers="block")
    await context.route("https://tiles.example/**", serve)
    page = await _log_in(studio, context, "/ops")
    await expect(page.locator(".map-credit")).to_contain_text("MapLibre")
    await page.wait_for_timeout(8_000)
    await studio.shoot(page, "ops-basemap-light")
    await browser.close()


async def draw_ops(folder: Path) -> None:
    settings = {"CABRANK_MAP_STYLE_URL": STYLE_URL}
    with TemporaryDirectory() as place:
        options = ("--drivers", "60", "--speed", "3")
        demo = Stack(Path(place) / "data", *options, settings=settings, command="demo")
        demo.start()
        try:
            await until(lambda: "the operator is" in demo.said, "its log-ins", 90)
            async with async_playwright() as playwright:
                await _flat(playwright, demo, folder)
                await _drawn(playwright, demo, folder)
        finally:
            demo.stop()
