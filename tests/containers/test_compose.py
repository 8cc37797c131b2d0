"""compose.yaml: trips and chat through the proxy; more, fewer and newer containers."""

import asyncio
import contextlib
import json
import os
import sys

import jwt
import pytest

from tests.containers.people import Door, travel
from tests.containers.site import REPOSITORY, Site
from tests.support.waiting import until_is

LIMIT_S = 60
MEMORY_MAX_BYTES = 600 * 2**20
"""Issue 6, without the database."""


@pytest.fixture
def door(site: Site) -> Door:
    return Door(site.url, site.tls())


async def test_a_trip_and_a_chat_through_the_proxy(door: Door) -> None:
    rider, driver = await door.sign_up("rider"), await door.sign_up("driver")
    async with door.enter(rider) as at_home, door.enter(driver) as in_car:
        await travel(at_home, in_car)
        for client in (at_home, in_car):
            await client.do("chat.join", {"room": "rank"})
        await at_home.do("chat.send", {"room": "rank", "text": "Anybody there?"})
        await in_car.expect(
            "chat.message", lambda frame: frame["data"]["text"] == "Anybody there?"
        )


async def test_plain_http_is_sent_to_tls_and_metrics_stay_inside(
    door: Door, site: Site
) -> None:
    async with Door(site.plain_url).web() as plain:
        answer = await plain.get("/chat?room=rank")
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{site.url}/chat?room=rank"
    async with door.web() as web:
        for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics"):
            assert (await web.get(site.url + path)).status_code == 404, path
        assert (await web.get("/docs")).status_code == 200


async def test_an_idle_stack_fits_into_600_mb(site: Site) -> None:
    used = await asyncio.to_thread(site.memory_bytes)
    assert {"gateway-1", "dispatcher-1", "persistence-1", "nats-1", "proxy-1"} <= set(
        used
    )
    assert "webhooks-1" in used
    del used["postgres-1"]
    assert sum(used.values()) < MEMORY_MAX_BYTES, used


async def test_every_container_is_locked_down(site: Site) -> None:
    for container in site.compose("ps", "--quiet").split():
        facts = site.facts(container)
        host = facts["HostConfig"]
        assert host["ReadonlyRootfs"], facts["Name"]
        assert host["CapDrop"] == ["ALL"], facts["Name"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"], facts["Name"]
        for limit in ("Memory", "NanoCpus", "PidsLimit"):
            assert host[limit], (facts["Name"], limit)
        assert facts["State"]["Health"]["Status"] == "healthy", facts["Name"]
    gateway = site.containers("gateway")[0]
    status = site.execute(gateway, "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["10001"] * 4
    assert int(facts["CapEff"], 16) == 0
    seen = set(site.execute(gateway, "ls", "/run/secrets").split())
    assert seen == {"gateway.nk", "ca.pem"}
    assert site.execute(gateway, "ls", "/etc/cabrank").split() == ["verify"]


async def test_three_gateways_share_the_clients(site: Site, door: Door) -> None:
    await asyncio.to_thread(site.up, "--scale", "gateway=3")

    async def found() -> int:
        return await asyncio.to_thread(site.ready_gateways)

    await until_is(found, lambda count: count == 3, LIMIT_S)
    token = await door.sign_up("driver")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(door.enter(token))
        held = [
            _connections(site.execute(container, "cat", "/proc/1/net/tcp"))
            for container in site.containers("gateway")
        ]
    assert len(held) == 3
    assert all(count >= 2 for count in held), held


async def test_a_trip_outlives_its_gateway_and_its_leader(
    site: Site, door: Door
) -> None:
    """A crash of every gateway and every dispatcher but one, one after the other, while
    a trip is under way; who crashed is started again.
    """
    rider, driver = await door.sign_up("rider"), await door.sign_up("driver")
    async with door.enter(rider) as at_home, door.enter(driver) as in_car:
        trip = (await at_home.do("trip.request", _ADDRESSES))["id"]
        await in_car.expect_trip("trip.requested", trip)
        cursor = in_car.cursor
    crashed = site.containers("gateway")[:1] + site.containers("dispatcher")[:1]
    for container in crashed:
        site.crash(container)

    async def restarted() -> list[tuple[int, str]]:
        facts = [site.facts(container) for container in crashed]
        return [
            (one["RestartCount"], one["State"].get("Health", {}).get("Status", ""))
            for one in facts
        ]

    await until_is(
        restarted, lambda all_: all_ == [(1, "healthy")] * len(crashed), LIMIT_S
    )
    async with door.enter(rider) as at_home, door.enter(driver, cursor) as in_car:
        await in_car.do("trip.accept", {"id": trip})
        await at_home.expect_trip("trip.started", trip)
        await in_car.do("trip.begin", {"id": trip})
        await in_car.do("trip.complete", {"id": trip})
        await at_home.expect_trip("trip.completed", trip)


@pytest.mark.timeout(400)
async def test_a_rolling_restart_under_load_loses_no_trip(site: Site) -> None:
    """`cabrank simulate` checks each answer, event and row; deploy/roll.sh replaces
    every container of the services meanwhile.
    """
    await asyncio.to_thread(site.up, "--scale", "gateway=2")
    before = {name: site.containers(name) for name in _SERVICES}
    environ = {
        **os.environ,
        # Its clients trust the proxy's certificate.
        "SSL_CERT_FILE": str(site.secrets / "proxy.pem"),
    }
    load = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cabrank", "simulate", "--url", site.url),
        *("--riders", "6", "--drivers", "4", "--duration", "600", "--seed", "7"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        roll = await asyncio.create_subprocess_exec(
            str(REPOSITORY / "deploy/roll.sh"),
            env=site.environ,
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await roll.communicate()
        assert roll.returncode == 0, said.decode()
        assert load.returncode is None, "the load ended before the restart"
        load.terminate()
        verdict, _ = await load.communicate()
    finally:
        for process in (load, roll):
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert load.returncode == 0, verdict.decode()[-4000:]
    for name, containers in before.items():
        now = site.containers(name)
        assert len(now) == len(containers)
        assert not set(now) & set(containers), name


async def test_an_operator_s_commands_work_on_the_running_site(
    site: Site, door: Door
) -> None:
    """As docs/OPERATING.md has them."""

    async def operate(*command: str) -> str:
        return await asyncio.to_thread(site.operate, *command)

    rider, driver = await door.sign_up("rider"), await door.sign_up("driver")
    async with door.enter(rider) as at_home, door.enter(driver) as in_car:
        await travel(at_home, in_car)
    found = await operate("doctor")
    assert "FAIL" not in found
    assert "every acknowledged write is on disk" in found
    processes = json.loads(await operate("top", "--once", "--json"))["processes"]
    wanted = sorted(name for name in _SERVICES for _ in site.containers(name))
    assert sorted(one["job"] for one in processes if one["is_up"]) == wanted
    assert ": equal" in await operate("verify")
    assert "main: records" in await operate("rebuild")
    id_ = jwt.decode(rider, options={"verify_signature": False})["sub"]
    assert json.loads(await operate("user", "export", id_))["user"]["id"] == id_
    assert "is erased since" in await operate("user", "erase", id_, "--yes")
    assert "user_erase" in await operate("audit", "--limit", "1")
    async with door.web() as web:
        answer = await web.get("/api/trips", headers=_bearer(rider))
    assert answer.status_code == 401


async def test_a_rotated_key_is_used_without_a_restart(site: Site, door: Door) -> None:
    before = await door.sign_up("rider")
    running = {name: site.containers(name) for name in _SERVICES}
    said = await asyncio.to_thread(site.operate, "keys", "rotate", "--lead", "0")
    kid = said.split()[0]
    assert jwt.get_unverified_header(before)["kid"] != kid

    async def token() -> str:
        """Persistence signs with the new key, and the gateways take what it signs."""
        made = await door.sign_up("rider")
        return made if jwt.get_unverified_header(made)["kid"] == kid else ""

    after = await until_is(token, bool, LIMIT_S)

    async def answers() -> list[int]:
        async with door.web() as web:
            got = [
                await web.get("/api/trips", headers=_bearer(t)) for t in (before, after)
            ]
        return [one.status_code for one in got]

    assert await until_is(answers, lambda all_: all_ == [200, 200], LIMIT_S)
    assert running == {name: site.containers(name) for name in _SERVICES}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


_ADDRESSES = {"pick_up_address": "14 Main Street", "drop_off_address": "2 Station Road"}
_SERVICES = ("gateway", "dispatcher", "persistence", "webhooks")


def _connections(table: str) -> int:
    """Established connections to port 8000 in /proc/net/tcp (proc(5))."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(row[1].endswith(":1F40") and row[3] == "01" for row in rows)
