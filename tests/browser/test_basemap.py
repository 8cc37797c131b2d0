"""A real ground below the map, where a gateway is told of a style; and the streets
where it doesn't come. The gateway's pages, in place of the network.
"""

import contextlib
import shutil
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from gateway.http.app import create_app
from runtime.settings import Settings
from tests.browser import tiles
from tests.browser.conftest import FLAGS

pytestmark = pytest.mark.asyncio(loop_scope="session")

SITE, TILES = "https://site.example", "https://tiles.example"
DRAWN = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
"""WebGL without a graphics card."""
SHOW = """async () => {
  const { CityMap } = await import("/static/pages/map/map.js");
  const root = document.createElement("div");
  root.id = "ground";
  root.style.position = "fixed";
  root.style.inset = "0";
  document.body.append(root);
  globalThis.shown = new CityMap(root);
  await shown.ready;
  shown.show([{ id: "a", kind: "pick_up", lat: 43.735, lon: 7.42 }]);
}"""
PINK, LAND, SEA = (255, 0, 170), (238, 240, 234), (191, 219, 232)


@contextlib.asynccontextmanager
async def launched(flags: list[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=flags
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def drawn() -> AsyncIterator[Browser]:
    """A browser that has WebGL."""
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    async with launched([*flags, *DRAWN]) as browser:
        yield browser


async def shown(browser: Browser, style: str) -> tuple[Page, list[str]]:
    """A page of a gateway that was told of `style`, with a map in it; and what its
    console complained of.
    """
    nothing = cast("Any", None)  # of a gateway's rest
    app = create_app(nothing, nothing, nothing, Settings(map_style_url=style), nothing)
    transport = httpx.ASGITransport(cast("Any", app))

    async def serve(route: Route) -> None:
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as http:
            asked = {"range": await route.request.header_value("range") or ""}
            answer = await http.get(route.request.url, headers=asked)
        headers = dict(answer.headers)
        await route.fulfill(
            status=answer.status_code, body=answer.content, headers=headers
        )

    context = await browser.new_context(service_workers="block")
    await context.route(f"{SITE}/**", serve)
    await context.route(f"{TILES}/**", tiles.serve)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: said.type == "error" and faults.append(said.text))
    await page.goto(f"{SITE}/ops")
    await page.evaluate(SHOW)
    return page, faults


async def pixel(page: Page, x: int, y: int) -> tuple[int, ...]:
    """What is seen there."""
    clip = {"x": x, "y": y, "width": 1, "height": 1}
    png = await page.screenshot(clip=clip)  # type: ignore[arg-type]
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    return tuple(zlib.decompress(data)[1:4])


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(one, other, strict=True))


async def becomes(page: Page, wanted: tuple[int, ...]) -> None:
    """Away from the streets' own sea and the map's tools."""
    for _ in range(100):
        if near(await pixel(page, 30, 700), wanted):
            return
        await page.wait_for_timeout(100)
    raise AssertionError(await pixel(page, 30, 700))


async def test_a_style_is_drawn_below_what_is_ours(drawn: Browser) -> None:
    page, faults = await shown(drawn, f"{TILES}/style.json")
    await becomes(page, PINK)
    # Whose data it is, as text: nothing of it is HTML here.
    await expect(page.locator(".map-credit")).to_have_text("Tiny © mapsalert(1)")
    assert await page.locator(".map-credit script").count() == 0
    # It begins where the style does, and our pins stand on it.
    middle = await page.evaluate("shown.camera.middle")
    assert abs(middle["lat"] - 43.735) < 0.01
    assert abs(middle["lon"] - 7.42) < 0.01
    pin = await page.evaluate("shown.camera.at({lat: 43.735, lon: 7.42})")
    assert not near(await pixel(page, round(pin["x"]), round(pin["y"]) - 30), PINK)
    await page.get_by_role("application").press("ArrowLeft")
    await page.get_by_role("application").press("+")
    await becomes(page, PINK)
    assert faults == []
    await page.context.close()


@pytest.mark.parametrize("where", ["elsewhere", "here"])
async def test_a_pmtiles_file_is_drawn_in_the_map_s_own_colours(
    drawn: Browser, tmp_path: Path, where: str
) -> None:
    """Of a web server, or of the gateway's own machine."""
    file = tmp_path / "water.pmtiles"
    file.write_bytes(tiles.pmtiles())
    style = f"{TILES}/water.pmtiles" if where == "elsewhere" else str(file)
    page, faults = await shown(drawn, style)
    await becomes(page, SEA)
    await expect(page.locator(".map-credit")).to_have_text("Tiny water")
    await page.emulate_media(color_scheme="dark")
    await becomes(page, (18, 48, 61))
    assert faults == []
    await page.context.close()


async def test_a_style_that_does_not_come_leaves_the_streets(drawn: Browser) -> None:
    page, _ = await shown(drawn, f"{TILES}/none.json")
    credit = page.get_by_role("link", name="OpenStreetMap")
    await expect(credit).to_be_visible()
    assert await page.locator(".map-base").count() == 0
    await page.context.close()


async def test_a_browser_without_webgl_has_the_streets() -> None:
    async with launched([*FLAGS, "--disable-3d-apis"]) as flat:
        page, faults = await shown(flat, f"{TILES}/style.json")
        credit = page.get_by_role("link", name="OpenStreetMap")
        await expect(credit).to_be_visible()
        assert await page.locator(".map-base").count() == 0
        assert not near(await pixel(page, 30, 700), PINK)
        assert [fault for fault in faults if "Content Security" in fault] == []


async def test_without_a_style_nothing_of_it_is_asked_for(browser: Browser) -> None:
    page, faults = await shown(browser, "")
    asked = await page.evaluate(
        "performance.getEntriesByType('resource').map(({name}) => name)"
    )
    assert any(name.endswith("map.js") for name in asked)
    assert not [name for name in asked if "maplibre" in name or "basemap" in name]
    assert faults == []
    await page.context.close()
