"""axe-core, from npm as TypeScript is (tests/web/test_package.py): what a machine can
tell of a page's fitness for everybody.
"""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
from playwright.async_api import Page

from tests.web.test_package import npm

AXE = "axe-core@4.14.1"
SERIOUS = {"serious", "critical"}
LOOK = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const where = (nodes) => nodes.map(({ html }) => html);
  return violations.map(({ id, impact, nodes }) => [id, impact, where(nodes)]);
}"""


@cache
def source() -> str:
    folder = Path(mkdtemp(prefix="axe-"))
    (folder / "package.json").write_text('{"private": true}')
    got: subprocess.CompletedProcess[str] = npm(
        "install", "--prefer-offline", AXE, cwd=folder
    )
    if got.returncode != 0:
        pytest.skip("axe-core can't be had from npm here")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


async def finds_nothing_serious(page: Page) -> None:
    await page.evaluate(source())
    found = await page.evaluate(LOOK)
    serious = [each for each in found if each[1] in SERIOUS]
    assert not serious, serious


async def finds_nothing_serious_in_either_light(page: Page) -> None:
    """Light and dark have colours of their own."""
    scheme = "(prefers-color-scheme: dark)"
    is_dark = await page.evaluate(f"matchMedia('{scheme}').matches")
    await finds_nothing_serious(page)
    await page.emulate_media(color_scheme="light" if is_dark else "dark")
    await finds_nothing_serious(page)
    await page.emulate_media(color_scheme="dark" if is_dark else "light")
