"""Dashboards, rules, alerts and `cabrank top` against a system that had work to do."""

import asyncio
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cabrank.operate.top.sample import Sample, parse
from tests.e2e.conftest import ADDRESSES, bearer
from tests.support.client import welcomed
from tests.support.endpoint import listening
from tests.support.nats import free_port
from tests.support.prometheus import CONFIG, ROOT, Prometheus, program
from tests.support.stack import Stack, cabrank, running
from tests.support.standing import until_free
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)  # the first also starts the system and its load

LIMIT_S = 60
DASHBOARDS = ROOT / "deploy" / "observe" / "grafana" / "dashboards"
NEEDS_MONITORING = "CabrankNatsStoreFills"
"""`cabrank up`'s own NATS servers have no monitoring endpoint; those of compose.yaml
have, and tests/containers/test_profiles.py asks there.
"""
COMPARISON = re.compile(r" (?:[<>]=?|==|!=) [0-9.]+\Z")


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system in which every kind of thing has happened."""
    with running(
        tmp_path_factory.mktemp("observed") / "data",
        *("--dispatchers", "2", "--gateways", "2"),
        settings={
            "CABRANK_LEDGER_BYTES_MAX": "1000000000",
            "CABRANK_WEBHOOKS_PRIVATE": "1",
        },
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def prometheus(
    worked: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    made = Prometheus(tmp_path_factory.mktemp("p") / "prometheus", worked.data_dir)
    with made.running() as running:
        simulated = cabrank(
            *("simulate", "--riders", "4", "--drivers", "3", "--duration", "5"),
            *("--url", worked.url, "--url", worked.gateway(2)),
            *("--data-dir", str(worked.data_dir), "--seed", "1"),
        )
        assert simulated.returncode == 0, simulated.stdout + simulated.stderr
        asyncio.run(tell_of_it(worked))
        yield running


async def tell_of_it(stack: Stack) -> None:
    """To an endpoint, of a trip that is offered."""
    (operator,) = stack.people("operator", 1)
    async with listening() as there, httpx.AsyncClient(trust_env=False) as web:
        body = {"url": there.url, "events": ["trip.*"]}
        made = await web.post(
            f"{stack.url}/api/webhooks", json=body, headers=bearer(operator)
        )
        assert made.status_code == 201, made.text
        await offer_and_accept(stack, operator.access)
        await until(lambda: "trip.completed" in there.types(), "a delivery", LIMIT_S)


async def offer_and_accept(stack: Stack, operator: str) -> None:
    """A trip that is offered to a driver who is near, and accepts. `operator`: a
    token, to ask whether the driver's position was heard.
    """
    here = {"lat": 64.1466, "lon": -21.9426}
    (rider,), (driver,) = stack.people("rider", 1), stack.people("driver", 1)
    rides, _ = await welcomed(stack.url, rider.access)
    drives, _ = await welcomed(stack.url, driver.access)
    await drives.do("driver.online", {"offers": True})
    await drives.send({"type": "driver.location", "data": here})
    await until_free(stack.url, operator, driver.id)
    trip = await rides.do("trip.request", {**ADDRESSES, "pick_up": here})
    await drives.expect("trip.offered")
    for step in ("accept", "begin", "complete"):
        await drives.do(f"trip.{step}", {"id": trip["id"]})
    await rides.close()
    await drives.close()


def dashboard_queries() -> list[str]:
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [target["expr"] for target in panel.get("targets", ())]
    assert len(found) > 60
    return found


def test_every_query_of_the_dashboards_and_alerts_finds_data(
    worked: Stack, prometheus: Prometheus
) -> None:
    headers = bearer(worked.people("rider", 1)[0])
    alerts = prometheus.alerts()
    assert len(alerts) > 20
    left_sides = [
        COMPARISON.sub("", alert["query"])
        for alert in alerts
        if alert["name"] != NEEDS_MONITORING
    ]
    queries = dashboard_queries() + left_sides
    missing = {
        query.replace("$region", ".*").replace("$__rate_interval", "5m")
        for query in queries
    }
    deadline = time.monotonic() + LIMIT_S
    while True:
        missing = {query for query in missing if not prometheus.has_data(query)}
        if not missing:
            break
        assert time.monotonic() < deadline, "\n".join(sorted(missing))
        for path in ("/api/trips", "/api/trips/none", "/api/me", "/nowhere"):
            httpx.get(f"{worked.url}{path}", headers=headers, trust_env=False)
        time.sleep(0.2)
    firing = [a["name"] for a in prometheus.alerts() if a["state"] == "firing"]
    assert firing == []


def test_the_dashboards_are_what_their_table_says() -> None:
    names: dict[str, object] = {"__name__": "make", "__file__": ""}
    path = DASHBOARDS.parent / "make.py"
    names["__file__"] = str(path)
    exec(compile(path.read_text(), path, "exec"), names)
    documents = names["documents"]()  # type: ignore[operator]
    assert {p.name: p.read_text() for p in DASHBOARDS.glob("*.json")} == documents


def test_promtool_takes_the_rules_and_alerts_fire_when_they_should() -> None:
    files = [CONFIG / "rules.yml", CONFIG / "alerts.yml"]
    for arguments in (
        ["check", "rules", *files],
        ["check", "config", CONFIG / "prometheus.yml"],
        ["test", "rules", CONFIG / "alerts.test.yml"],
    ):
        done = subprocess.run(
            [program("promtool"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    text = (CONFIG / "alerts.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", text)
    links = re.findall(r"runbook_url: (\S+)", text)
    assert links == [f"docs/RUNBOOK.md#{name.lower()}" for name in alerts]
    runbook = (ROOT / "docs" / "RUNBOOK.md").read_text()
    sections = re.findall(r"^### (Cabrank\w+)$", runbook, re.MULTILINE)
    assert sorted(sections) == sorted(alerts)
    for section in re.split(r"^### ", runbook, flags=re.MULTILINE)[1:]:
        for part in ("**Means**", "**Look**", "**Do**"):
            assert part in section, section.partition("\n")[0]
    tested = re.findall(r'alertname="(\w+)"', (CONFIG / "alerts.test.yml").read_text())
    assert set(alerts) <= set(tested)


def top(*options: str) -> dict[str, Any]:
    """One frame of `cabrank top --json`."""
    done = cabrank("top", "--once", "--json", *options)
    assert done.returncode == 0, done.stderr
    frame: dict[str, Any] = json.loads(done.stdout)
    return frame


def test_top_shows_one_frame_of_a_running_system(worked: Stack) -> None:
    frame = top("--data-dir", str(worked.data_dir))
    (region,) = frame["regions"]
    assert region["name"] == "main"
    assert {region["leader"], *region["standbys"]} == {"dispatcher-1", "dispatcher-2"}
    assert region["epoch"] > 0
    assert region["drivers"].keys() == {"free", "offered", "busy", "stale", "offline"}
    names = ["dispatcher-1", "dispatcher-2", "gateway-1", "gateway-2", "persistence-1"]
    names.append("webhooks-1")
    assert [process["name"] for process in frame["processes"]] == names
    assert all(process["is_up"] for process in frame["processes"])
    drawn = cabrank("top", "--once", "--data-dir", str(worked.data_dir))
    assert drawn.returncode == 0
    assert region["leader"] in drawn.stdout


def test_top_takes_addresses_and_says_when_nobody_answers(worked: Stack) -> None:
    (group,) = json.loads((worked.data_dir / "run" / "gateway-1.json").read_text())
    frame = top("--metrics", group["targets"][0])
    (process,) = frame["processes"]
    assert (process["job"], process["is_up"]) == ("gateway", True)
    nobody = cabrank("top", "--once", "--metrics", f"127.0.0.1:{free_port()}")
    assert nobody.returncode == 1
    assert "no answer" in nobody.stdout
    wrong = cabrank("top", "--once", "--metrics", "ftp://x")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_top_goes_on_while_a_leader_dies_and_comes_back(worked: Stack) -> None:
    command = [sys.executable, "-m", "cabrank", "top", "--json", "--interval", "0.2"]
    command += ["--data-dir", str(worked.data_dir)]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    try:
        frames = map(json.loads, watching.stdout)
        regions = (region for frame in frames for region in frame["regions"])
        before = next(region for region in regions if region["leader"] is not None)
        worked.kill(before["leader"])
        for frame in frames:  # pytest's time limit ends it
            later = [
                region
                for region in frame["regions"]
                if region["leader"] is not None and region["epoch"] > before["epoch"]
            ]
            if later and all(process["is_up"] for process in frame["processes"]):
                break
        watching.terminate()
        assert watching.wait(30) == 0
    finally:
        watching.kill()
        watching.wait()


def test_q_ends_the_live_view_and_leaves_the_terminal_as_it_was(worked: Stack) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    watching = subprocess.Popen(
        [sys.executable, "-m", "cabrank", "top", "--data-dir", str(worked.data_dir)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    try:
        seen = b""
        while b"q or Ctrl-C ends" not in seen:  # pytest's time limit ends it
            seen += os.read(ours, 65536)
        assert b"gateway-1" in seen
        os.write(ours, b"q")
        while select.select([ours], [], [], 0.1)[0] or watching.poll() is None:
            if select.select([ours], [], [], 0)[0]:
                seen += os.read(ours, 65536)
        assert watching.wait(30) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)
        os.close(theirs)


def told(stack: Stack, process: str) -> Sample:
    """What a process's /metrics says now."""
    url = stack.metrics_url(process)
    return parse(httpx.get(url, trust_env=False, timeout=30).text, time.monotonic())


async def test_a_leader_tells_what_persistence_has_yet_to_write(worked: Stack) -> None:
    (rider,) = worked.people("rider", 1)
    records, seconds = (
        "cabrank_dispatcher_unwritten_records",
        "cabrank_dispatcher_unwritten_seconds",
    )

    def leads(name: str, **labels: str) -> float:
        """By either: the one before may have just come back to its region."""
        both = ("dispatcher-1", "dispatcher-2")
        return max(told(worked, one).of(name, **labels) for one in both)

    def behind(name: str) -> float:
        return leads(name, region="main")

    with worked.paused("persistence-1"):
        client, _ = await welcomed(worked.url, rider.access)
        trip = await client.do("trip.request", ADDRESSES)
        await until(lambda: behind(seconds) > 1, "a lag", LIMIT_S)
        assert behind(records) >= 1
    await until(lambda: behind(seconds) == 0, "no lag", LIMIT_S)
    assert leads("cabrank_dispatcher_trips", status="REQUESTED") >= 1
    await client.do("trip.cancel", {"id": trip["id"]})
    fanned = "cabrank_gateway_fanout_seconds_count"
    await until(lambda: told(worked, "gateway-1").of(fanned) >= 1, "fan-out", LIMIT_S)
    await client.close()
