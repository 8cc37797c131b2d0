"""compose.yaml's profiles: three NATS servers, and Prometheus."""

import asyncio
import json
from urllib.parse import quote

from tests.containers.people import Door, travel
from tests.containers.site import Site, SiteError, run
from tests.containers.test_tls import route_without_certificate
from tests.support.waiting import until_is

LIMIT_S = 60
JOBS = ("dispatcher", "gateway", "persistence")


async def test_a_trip_goes_on_without_one_of_three_nats_servers(
    clustered_site: Site,
) -> None:
    site = clustered_site
    door = Door(site.url, site.tls())
    rider, driver = await door.sign_up("rider"), await door.sign_up("driver")
    async with door.enter(rider) as at_home, door.enter(driver) as in_car:
        await travel(at_home, in_car)
    held = await asyncio.to_thread(_streams, site)
    assert {name for name in held if name.startswith("LEDGER_")}
    assert set(held.values()) == {3}, held
    stranger = await asyncio.to_thread(route_without_certificate, site, "nats-2")
    assert "certificate required" in stranger
    await asyncio.to_thread(site.compose, "kill", "nats-2")

    async def goes_on() -> bool:
        try:
            async with door.enter(rider) as at_home, door.enter(driver) as in_car:
                await travel(at_home, in_car)
        except AssertionError:  # `unavailable` while the two agree on a leader
            return False
        return True

    assert await until_is(goes_on, bool, LIMIT_S)


def test_every_profile_is_sound(site: Site) -> None:
    for profile in ("cluster", "observe", "setup"):
        told = site.compose("--profile", profile, "config", "--format", "json")
        assert json.loads(told)["services"].keys() > {"gateway", "nats"}


def test_a_database_elsewhere_is_reached_only_where_asked_for(site: Site) -> None:
    for said, is_inside in (("", True), ("false", False)):
        environ = {**site.environ, "CABRANK_DATABASE_INSIDE": said}
        told = run("docker", "compose", "config", "--format", "json", environ=environ)
        network = json.loads(told)["networks"]["data"]
        assert network.get("internal", False) is is_inside


def _streams(site: Site) -> dict[str, int]:
    """Copies of each stream."""
    page = site.execute(
        site.containers("nats")[0],
        *("wget", "-q", "-O", "-", "http://127.0.0.1:8222/jsz?streams=1&config=1"),
    )
    return {
        stream["name"]: stream["config"]["num_replicas"]
        for account in json.loads(page)["account_details"]
        for stream in account["stream_detail"]
    }


async def test_prometheus_finds_every_process(site: Site) -> None:
    await asyncio.to_thread(
        site.compose,
        *("--profile", "observe", "up", "--wait", "--no-deps", "prometheus"),
    )
    (prometheus,) = site.containers("prometheus")
    query = quote("count by (job) (up == 1)")
    url = f"http://127.0.0.1:9090/api/v1/query?query={query}"

    async def found() -> dict[str, int]:
        try:
            answer = await asyncio.to_thread(
                site.execute, prometheus, "wget", "-q", "-O", "-", url
            )
        except SiteError:
            return {}
        rows = json.loads(answer)["data"]["result"]
        return {row["metric"]["job"]: int(row["value"][1]) for row in rows}

    there = {job: len(site.containers(job)) for job in JOBS}
    assert await until_is(found, lambda jobs: jobs == there, LIMIT_S) == there
