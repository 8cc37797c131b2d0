"""Riders and drivers who sign up at the public door, and their connections."""

import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from tests.support.client import Client, welcomed

PASSWORD = "a long enough password"
LIMIT_S = 30


@dataclass(frozen=True)
class Door:
    """Where to; `tls`: whom to trust, None over plain HTTP."""

    url: str
    tls: ssl.SSLContext | None = None

    async def sign_up(self, role: str) -> str:
        """An access token."""
        name = f"{role}-{secrets.token_hex(6)}"
        said = {"username": name, "password": PASSWORD, "role": role}
        async with self.web() as web:
            answer = await web.post("/api/users", json=said)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["access"]
        return token

    def web(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            verify=self.tls or False,
            trust_env=False,
            timeout=LIMIT_S,
        )

    @contextlib.asynccontextmanager
    async def enter(
        self, token: str, since: int | None = None
    ) -> AsyncIterator[Client]:
        options = {} if self.tls is None else {"ssl": self.tls}
        client, _ = await welcomed(self.url, token, since=since, **options)
        async with client:
            yield client


async def travel(rider: Client, driver: Client) -> str:
    """One trip from request to end, with a word in its room; the trip's id."""
    trip = await rider.do(
        "trip.request",
        {"pick_up_address": "14 Main Street", "drop_off_address": "2 Station Road"},
    )
    key: str = trip["id"]
    await driver.expect_trip("trip.requested", key)
    await driver.do("trip.accept", {"id": key})
    await rider.expect_trip("trip.started", key)
    await driver.do("chat.send", {"room": f"trip_{key}", "text": "At the corner"})
    await rider.expect("chat.message", lambda f: f["data"]["text"] == "At the corner")
    await driver.do("trip.begin", {"id": key})
    await driver.do("trip.complete", {"id": key})
    await rider.expect_trip("trip.completed", key)
    return key
