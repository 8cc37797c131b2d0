"""/docs as a gateway serves it, put into a tab: the page asks nothing of it."""

from typing import Any, cast

import httpx
from playwright.async_api import Page

from gateway.http.app import create_app
from runtime.settings import Settings


async def show(tab: Page) -> None:
    nothing = cast("Any", None)  # of a gateway's rest
    app = create_app(nothing, nothing, nothing, Settings(), nothing)
    transport = httpx.ASGITransport(cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as http:
        await tab.set_content((await http.get("/docs")).text)
        await tab.add_style_tag(content=(await http.get("/docs/docs.css")).text)
