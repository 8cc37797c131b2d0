"""How smoothly thousands of drivers move on /ops's map: `python -m
tests.browser.map_speed [WEB…]`, folders as `web/` (another checkout's too), measured in
turns. Prints a line a turn and the medians. No test: docs/decisions/map.md has figures.
"""

import asyncio
import os
import shutil
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Route, async_playwright

import web
from tests.browser.conftest import FLAGS

TURNS = 3
COUNTS = (60, 5_000)
SIZE = {"width": 1360, "height": 820}
TRACE = Path(__file__).with_name("map_speed.js")
TYPES = {"js": "text/javascript", "mjs": "text/javascript", "json": "application/json"}


def ticks(of: int) -> int:
    """CPU of all processes of a browser, in clock ticks."""
    children = defaultdict(list)
    used = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        pid = int(stat.parent.name)
        children[int(fields[1])].append(pid)
        used[pid] = int(fields[11]) + int(fields[12])
    waiting, total = [of], 0
    while waiting:
        pid = waiting.pop()
        total += used.get(pid, 0)
        waiting += children[pid]
    return total


def serve(folder: Path) -> Any:
    async def from_disk(route: Route) -> None:
        path = route.request.url.split("/static/", 1)[-1].split("?")[0]
        file = folder / path
        if "/static/" in route.request.url and file.is_file():
            kind = TYPES.get(path.rpartition(".")[2], "text/css")
            await route.fulfill(body=file.read_bytes(), content_type=kind)
        else:
            css = "".join(
                f'<link rel="stylesheet" href="/static/pages/{name}.css">'
                for name in ("style", "map/map", "ops/ops")
            )
            body = f"<!doctype html>{css}<body>"
            await route.fulfill(body=body, content_type="text/html")

    return from_disk


async def measure(browser: Browser, folder: Path, count: int) -> dict[str, float]:
    context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.route("**/*", serve(folder))
    await page.goto("http://map.example/")
    before = ticks(os.getpid())
    told: dict[str, float] = await page.evaluate(TRACE.read_text(), count)
    hertz = os.sysconf("SC_CLK_TCK")
    told["cpu_s_per_s"] = (ticks(os.getpid()) - before) / hertz / told.pop("seconds")
    await context.close()
    return {name: round(value, 2) for name, value in told.items()}


def tell(*said: object) -> None:
    sys.stdout.write(" ".join(map(str, said)) + "\n")
    sys.stdout.flush()


async def main(folders: list[Path], flags: list[str]) -> None:
    path = shutil.which("chromium")
    seen: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        for _ in range(TURNS):
            for folder in folders:
                for count in COUNTS:
                    told = await measure(browser, folder, count)
                    seen[str(folder), count].append(told)
                    tell(folder, count, told)
        await browser.close()
    for (folder, count), turns in seen.items():
        middle = {
            name: round(statistics.median(turn[name] for turn in turns), 2)
            for name in turns[0]
        }
        tell("median", folder, count, middle)


if __name__ == "__main__":
    asked = [Path(each) for each in sys.argv[1:] if not each.startswith("--")]
    more = [each for each in sys.argv[1:] if each.startswith("--")]
    kept = [flag for flag in FLAGS if not (more and flag == "--disable-gpu")]
    asyncio.run(main(asked or [web.ROOT], [*kept, *more]))
