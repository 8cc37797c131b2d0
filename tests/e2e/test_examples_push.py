"""examples/push_bridge: an offer wakes the driver's phone."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from cabrank_client import AsyncHttpClient, Client
from standardwebhooks import Webhook

from tests.support.applications import EXAMPLES, LIMIT_S, Site, serving
from tests.support.nats import free_port
from tests.support.stack import Stack
from tests.support.waiting import until, until_is

pytestmark = pytest.mark.timeout(300)  # it starts a system, and an application


class Firebase(BaseHTTPRequestHandler):
    """Firebase's HTTP v1 API, as far as a bridge sees it; away at first."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        said = json.loads(self.rfile.read(size))["message"]
        status = 401
        if self.headers["Authorization"] == "Bearer for Firebase":
            status = 404 if said["token"] == "gone" else 200
        assert self.path == "/v1/projects/city-cabs/messages:send"
        if self.server.away:
            status = self.server.away.pop()
        self.server.heard.append((status, said))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def firebase() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Firebase) as server:
        server.heard, server.away = [], [503]
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def signed(secret: str, id_: str, said: dict[str, Any]) -> dict[str, Any]:
    """What httpx posts."""
    now, body = datetime.now(UTC), json.dumps(said)
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, now, body),
    }
    return {"content": body, "headers": headers}


async def test_the_bridge_wakes_the_phone_of_a_driver_who_is_offered_a_trip(
    site: Site, beside: Stack, firebase: ThreadingHTTPServer
) -> None:
    (operator,) = beside.people("operator", 1)
    (driver,) = beside.people("driver", 1)
    (rider,) = beside.people("rider", 1)
    phones = site.folder / "phones.json"
    phones.write_text(json.dumps({driver.id: "phone 1", "d2": "gone"}))
    port = free_port()
    address = f"http://127.0.0.1:{port}/cabrank"
    place = {"lat": 52.37, "lon": 4.9}
    async with (
        asyncio.timeout(2 * LIMIT_S),
        AsyncHttpClient(beside.url, token=operator.access) as desk,
        Client(beside.url, token=driver.access) as hers,
        Client(beside.url, token=rider.access) as his,
    ):
        hook = await desk.add_webhook(address, ["offer.*"], description="push")
        secret = hook["secret"]
        words = ("-m", "uvicorn", "app:app", "--port", str(port))
        settings = {
            "WEBHOOK_SECRET": secret,
            "FCM_URL": f"http://127.0.0.1:{firebase.server_port}",
            "FCM_TOKEN": "for Firebase",
            "PHONES": str(phones),
        }
        folder = EXAMPLES / "push_bridge"
        async with (
            serving(site, beside, port, *words, cwd=folder, **settings),
            hers.drive(lambda: place) as shift,
            httpx.AsyncClient(trust_env=False) as web,
        ):

            async def state() -> str:
                return (await desk.driver(driver.id))["state"]

            await until_is(state, lambda seen: seen == "free", LIMIT_S)
            trip = await his.request_trip("Dam", "Zoo", pick_up=place)
            offer = await anext(shift)
            # Away, so it is tried again after 5 s, while the offer lives.
            await until(lambda: len(firebase.heard) == 2, "two tries", LIMIT_S)
            (_, first), (status, said) = firebase.heard
            assert (status, said["data"]) == (200, first["data"])
            assert said["token"] == "phone 1"
            assert said["data"]["offer"] == offer["offer"]
            assert said["data"]["trip"] == trip["id"]
            assert 0 < int(said["android"]["ttl"].removesuffix("s")) <= 15

            async def listed() -> list[str]:
                return [one["status"] for one in await desk.deliveries(hook["id"])]

            await until_is(listed, lambda seen: seen == ["taken"], LIMIT_S)
            heard = len(firebase.heard)
            late = {**offer, "driver": {"id": driver.id}}
            made = {"type": "offer.made", "data": late}
            late["expires_at"] = "2020-01-01T00:00:00.000Z"
            ended = {"driver": {"id": driver.id}, "offer": "o", "why": "taken"}
            gone = {**ended, "driver": {"id": "d2"}}
            for sent, status, more in (
                ({"content": b"{}"}, 401, 0),
                (signed("whsec_" + "A" * 32, "m1", made), 401, 0),
                (signed(secret, "m1", made), 204, 0),
                (signed(secret, "m2", {"type": "offer.ended", "data": ended}), 204, 1),
                (signed(secret, "m2", {"type": "offer.ended", "data": ended}), 204, 0),
                (signed(secret, "m3", {"type": "offer.ended", "data": gone}), 204, 1),
                (signed(secret, "m4", {"type": "trip.started", "data": {}}), 204, 0),
            ):
                answer = await web.post(address, **sent)
                heard += more
                assert (answer.status_code, len(firebase.heard)) == (status, heard)
        another = await desk.new_webhook_secret(hook["id"])
        assert another["secret"] != secret
        changed = await desk.change_webhook(hook["id"], events=["trip.completed"])
        assert await desk.webhook(hook["id"]) == changed
        assert changed["events"] == ["trip.completed"]
        await desk.replay_webhook(hook["id"], since=0)
        await desk.remove_webhook(hook["id"])
        assert hook["id"] not in [one["id"] for one in await desk.webhooks()]
