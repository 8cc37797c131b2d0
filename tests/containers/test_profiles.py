"""compose.yaml's profiles: three NATS servers, and Prometheus."""

import asyncio
import json
from urllib.parse import quote

import pytest
import yaml

from tests.containers.people import Door, travel
from tests.containers.site import REPOSITORY, Site, SiteError, run
from tests.containers.test_tls import route_without_certificate
from tests.support.waiting import until_is

LIMIT_S = 60
ALERTS = REPOSITORY / "deploy/observe/prometheus/alerts.yml"
JOBS = ("dispatcher", "gateway", "persistence")
GIVEN = {
    "CABRANK_NATS_URL": "nats://nats:4222,nats://nats-2:4222,nats://nats-3:4222",
    "CABRANK_REPLICAS": "3",
    "CABRANK_OTEL_ENDPOINT": "http://otel:4318",
    "CABRANK_REQUEST_TTL_S": "299",
}
"""By the profiles, and the file of settings, of `clustered_site`."""


async def test_an_upgrade_keeps_what_the_site_was_started_with(
    clustered_site: Site,
) -> None:
    """deploy/roll.sh is told neither the profiles nor the file."""
    site = clustered_site
    before = {name: site.containers(name) for name in JOBS}
    given = {name: _environ(site, before[name][0]) for name in JOBS}
    for name in JOBS:
        assert given[name].items() >= GIVEN.items(), name
    rolled = ("dispatcher", "gateway")
    script = str(REPOSITORY / "deploy/roll.sh")
    await asyncio.to_thread(run, script, *rolled, environ=site.environ)
    for name in rolled:
        after = site.containers(name)
        assert len(after) == len(before[name])
        assert not set(after) & set(before[name])
        for container in after:
            assert _environ(site, container) == given[name], name


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
    bare = _services(site)
    assert bare > {"gateway", "nats"}
    for profile, more in (
        ("cluster", {"clustered", "nats-2", "nats-3"}),
        ("observe", {"observed", "prometheus", "grafana", "otel"}),
        ("setup", {"secrets"}),
    ):
        assert _services(site, "--profile", profile) - bare == more


def test_one_server_s_ledger_is_never_taken_for_a_cluster_s(site: Site) -> None:
    with pytest.raises(SiteError, match="has one NATS server"):
        site.compose("run", "--rm", "--no-deps", "clustered")
    assert not site.execute(site.containers("gateway")[0], "ls", "/site")


def test_every_setting_of_the_environment_reaches_the_services(site: Site) -> None:
    """That compose.yaml has all of them: tests/unit/test_compose_settings.py."""
    told = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["x-settings"]
    names = told.keys() - {"CABRANK_NATS_TLS_CA"}
    assert names > {"CABRANK_LEDGER_KEPT_S", "CABRANK_OIDC_ISSUER"}
    environ = {**site.environ, **dict.fromkeys(names, "7")}
    config = run("docker", "compose", "config", "--format", "json", environ=environ)
    for name in JOBS:
        given = json.loads(config)["services"][name]["environment"]
        assert {each for each in names if given.get(each) != "7"} == set(), name


def test_the_collector_hands_traces_on_where_it_is_told_to(site: Site) -> None:
    config = REPOSITORY / "deploy/observe/otel/collector.yaml"
    known = yaml.safe_load(config.read_text())["exporters"]
    for where, exporters in (("", ["debug"]), ("http://t", ["debug", "otlphttp"])):
        told = run(
            *("docker", "compose", "--profile", "observe", "config"),
            *("--format", "json"),
            environ={**site.environ, "CABRANK_TRACES_ENDPOINT": where},
        )
        otel = json.loads(told)["services"]["otel"]
        path, _, given = otel["command"][1].partition(": ")
        assert path == "--config=yaml:service::pipelines::traces::exporters"
        assert yaml.safe_load(given) == exporters
        assert known.keys() >= set(exporters)
        if where:
            assert otel["environment"]["CABRANK_TRACES_ENDPOINT"] == where


def test_a_database_elsewhere_is_reached_only_where_asked_for(site: Site) -> None:
    for said, is_inside in (("", True), ("false", False)):
        environ = {**site.environ, "CABRANK_DATABASE_INSIDE": said}
        told = run("docker", "compose", "config", "--format", "json", environ=environ)
        network = json.loads(told)["networks"]["data"]
        assert network.get("internal", False) is is_inside


def _found(site: Site, query: str, label: str) -> dict[str, float]:
    """What Prometheus knows, by a label; empty while it doesn't answer."""
    (prometheus,) = site.containers("prometheus")
    url = f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}"
    try:
        answer = site.execute(prometheus, "wget", "-q", "-O", "-", url)
    except SiteError:
        return {}
    rows = json.loads(answer)["data"]["result"]
    return {row["metric"][label]: float(row["value"][1]) for row in rows}


def _services(site: Site, *options: str) -> set[str]:
    return set(site.compose(*options, "config", "--services").split())


def _environ(site: Site, container: str) -> dict[str, str]:
    """The service's settings."""
    told = site.execute(container, "cat", "/proc/1/environ")
    pairs = (each.partition("=") for each in told.split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("CABRANK_")}


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

    async def found() -> dict[str, float]:
        query = "count by (job) (up == 1)"
        return await asyncio.to_thread(_found, site, query, "job")

    there = {job: len(site.containers(job)) for job in (*JOBS, "webhooks")}
    assert await until_is(found, lambda jobs: jobs == there, LIMIT_S) == there

    async def fullness() -> dict[str, float]:
        """Of each NATS server's store, as the alert CabrankNatsStoreFills asks."""
        alerts = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
        (query,) = (a["expr"] for a in alerts if a["alert"] == "CabrankNatsStoreFills")
        return await asyncio.to_thread(
            _found, site, query.removesuffix(" > 0.8"), "server"
        )

    full = await until_is(fullness, lambda told: sum(told.values()) > 0, LIMIT_S)
    assert full.keys() == {"nats"}
    assert full["nats"] < 0.8
