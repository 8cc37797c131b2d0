"""A user is exported, erased, and stays erased, in a running system."""

import asyncio
import json
import time

import httpx

from tests.e2e.conftest import Sockets, Town, bearer, started
from tests.support.client import connect
from tests.support.stack import Person, cabrank


async def test_a_user_is_exported_and_erased_for_good(
    town: Town, sockets: Sockets, web: httpx.AsyncClient
) -> None:
    name = f"erase-{time.time_ns()}"
    body = {"username": name, "password": "correct horse", "role": "rider"}
    made = (await web.post("/api/users", json=body)).json()
    person = Person(made["user"], made["access"])
    client = await connect(town.url, person.access)
    driver = await sockets.open(town.driver())
    await client.expect("welcome")
    trip = await started(client, driver)
    room = f"erase-{time.time_ns()}"
    await client.do("chat.join", {"room": room})
    await client.do("chat.send", {"room": room, "text": "who am I"})
    data_dir = ("--data-dir", str(town.stack.data_dir))

    said = await asyncio.to_thread(cabrank, "user", "export", name, *data_dir)
    document = json.loads(said.stdout)
    assert document["user"]["id"] == person.id
    assert [one["text"] for one in document["messages"]] == ["who am I"]
    erasing = ("user", "erase", name, "--yes", *data_dir)
    refused = await asyncio.to_thread(cabrank, *erasing)
    assert refused.returncode == 2
    assert "a trip that has not ended" in refused.stderr

    for move in ("trip.begin", "trip.complete"):
        await driver.do(move, {"id": trip["id"]})
    operator = bearer(town.operator)
    while (await web.get(f"/api/trips/{trip['id']}", headers=operator)).json()[
        "status"
    ] != "COMPLETED":
        await asyncio.sleep(0.05)
    unsure = await asyncio.to_thread(cabrank, "user", "erase", name, *data_dir)
    assert unsure.returncode == 2
    assert "--yes" in unsure.stderr
    done = await asyncio.to_thread(cabrank, *erasing)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{person.id} is erased since ")
    assert await client.closed() == 4503

    seen = (await web.get(f"/api/trips/{trip['id']}", headers=operator)).json()
    assert seen["rider"] == {
        "id": person.id,
        "username": "erased",
        "first_name": "",
        "last_name": "",
    }
    path = f"/api/rooms/{room}/messages"
    (message,) = (await web.get(path, headers=operator)).json()
    assert message["text"] == "(erased)"
    equal = await asyncio.to_thread(cabrank, "verify", *data_dir)
    assert equal.returncode == 0, equal
    again = await asyncio.to_thread(cabrank, *erasing)
    assert again.returncode == 2
    assert "There is no user" in again.stderr
