"""The chat pages and their files, as a browser gets them."""

import re
from typing import Any, cast

import httpx
import pytest

import web
from gateway.http.app import create_app
from runtime.settings import Settings
from tests.contract.http.conftest import Site, problem

POLICY = "content-security-policy"


@pytest.mark.parametrize("path", ["/chat", "/chat/", "/chat/lobby", "/chat/A_b-9"])
async def test_the_page_is_served_with_a_policy_of_its_own(
    site: Site, path: str
) -> None:
    response = await site.client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers[POLICY] == web.CONTENT_SECURITY_POLICY
    assert response.content == web.CHAT_PAGE.body


@pytest.mark.parametrize("room", ["*", "a.b", "x" * 65, "a%20b", "%3Cscript%3E"])
async def test_a_room_that_can_not_be_is_a_404_page(site: Site, room: str) -> None:
    response = await site.client.get(f"/chat/{room}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.content == web.CHAT_PAGE.body


PAGES = {
    "/": web.HOME_PAGE,
    "/rider": web.RIDER_PAGE,
    "/driver": web.DRIVER_PAGE,
    "/ops": web.OPS_PAGE,
    "/chat": web.CHAT_PAGE,
}


@pytest.mark.parametrize("path", PAGES)
async def test_each_page_is_itself_and_all_that_it_names_is_there(
    site: Site, path: str
) -> None:
    page = await site.client.get(path)
    assert page.status_code == 200
    assert page.headers[POLICY] == web.CONTENT_SECURITY_POLICY
    assert page.content == PAGES[path].body
    names = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert names
    for name in {*names, *web.STATIC}:
        response = await site.client.get(name)
        assert response.status_code == 200
        assert response.content == web.STATIC[name].body


@pytest.mark.parametrize("path", ["/rider", "/driver"])
async def test_a_page_can_be_installed_and_its_worker_sees_to_it(
    site: Site, path: str
) -> None:
    manifest = await site.client.get(f"/static/pages{path}.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    told = manifest.json()
    assert told["start_url"] == told["scope"] == path
    for icon in told["icons"]:
        assert icon["src"] in web.STATIC
    worker = await site.client.get(web.SHELL)
    assert worker.headers["service-worker-allowed"] == "/"
    other = await site.client.get("/static/pages/home.js")
    assert "service-worker-allowed" not in other.headers


async def test_what_has_not_changed_is_not_sent_again(site: Site) -> None:
    first = await site.client.get("/static/client/cabrank.js")
    etag = first.headers["etag"]
    for known in (etag, f'"x", W/{etag}', f'"a, b",{etag}', "*", f"W/{etag}"):
        headers = {"If-None-Match": known}
        again = await site.client.get("/static/client/cabrank.js", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
    two = [("If-None-Match", '"x"'), ("If-None-Match", etag)]
    again = await site.client.get("/static/client/cabrank.js", headers=two)
    assert again.status_code == 304
    for other in ('"x"', etag.strip('"'), f'"a,{etag.strip(chr(34))}"', '"*"'):
        headers = {"If-None-Match": other}
        fresh = await site.client.get("/static/client/cabrank.js", headers=headers)
        assert fresh.status_code == 200, other


@pytest.mark.parametrize(
    "path", ["/static/", "/static/pages/chat.html", "/static/../web/__init__.py"]
)
async def test_nothing_else_is_served(site: Site, path: str) -> None:
    problem(await site.client.get(path), 404, "unknown_type")


STYLE = 'https://tiles.example:8443/city.json?key="<1>'


async def styled(path: str, style: str, **headers: str) -> httpx.Response:
    """A gateway's answer, told of that style."""
    nothing = cast("Any", None)  # of a gateway's rest
    settings = Settings(map_style_url=style)
    app = create_app(nothing, nothing, nothing, settings, nothing)
    transport = httpx.ASGITransport(cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as http:
        return await http.get(path, headers=headers)


@pytest.mark.parametrize("path", ["/rider", "/driver", "/ops"])
async def test_a_style_is_told_to_the_pages_and_its_origin_alone_to_the_policy(
    site: Site, path: str
) -> None:
    page = await styled(path, STYLE)
    told = '<meta name="map-style" content="https://tiles.example:8443/city.json?key='
    assert f"{told}&quot;&lt;1&gt;" in page.text
    assert page.headers["etag"] != (await site.client.get(path)).headers["etag"]
    named = dict(each.split(" ", 1) for each in page.headers[POLICY].split("; "))
    usual = dict(each.split(" ", 1) for each in web.policy().split("; "))
    beyond = " https://tiles.example:8443"
    assert named == usual | {
        "img-src": "'self'" + beyond,
        "connect-src": "'self'" + beyond,
        "trusted-types": "shell default",
    }


async def test_a_style_s_worker_may_fetch_what_its_page_may(site: Site) -> None:
    path = "/static/vendor/maplibre-gl-worker.mjs"
    worker = await styled(path, STYLE)
    assert "https://tiles.example:8443" in worker.headers[POLICY]
    usual = await site.client.get(path)
    assert usual.headers[POLICY] == web.CONTENT_SECURITY_POLICY
    assert usual.headers["etag"] != worker.headers["etag"]
    assert (usual.content, usual.headers["content-type"]) == (
        worker.content,
        "text/javascript; charset=utf-8",
    )
    shell = await styled(web.SHELL, STYLE)
    assert shell.headers["service-worker-allowed"] == "/"


@pytest.mark.parametrize("path", web.BY_PATH)
async def test_without_a_style_no_page_names_one(site: Site, path: str) -> None:
    page = await site.client.get(path)
    assert "map-style" not in page.text
    assert "maplibre" not in page.text
