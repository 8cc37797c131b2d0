"""`cabrank up` with the real services."""

import base64
import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import web
from tests.contract.cabrank.commands import assert_refused, run
from tests.support import postgres
from tests.support.stack import Stack, alive, running
from tests.support.waiting import until

NAMES = {"nats", "gateway-1", "dispatcher-1", "persistence-1", "webhooks-1"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """For tests that leave it as they found it."""
    directory = tmp_path_factory.mktemp("stack") / "data"
    with running(directory, settings={"CABRANK_ACCESS_TTL_S": "77"}) as made:
        yield made


def post(stack: Stack, path: str, body: Any) -> httpx.Response:
    return httpx.post(stack.url + path, json=body, trust_env=False, timeout=15)


def test_the_ready_line_names_the_port_and_the_gateway_is_ready(stack: Stack) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", stack.url)
    assert stack.is_ready()


def test_the_pages_are_told_under_the_ready_line_and_are_there(stack: Stack) -> None:
    told = re.findall(r"http://\S+", stack.said)
    assert told == [stack.url + path for path in web.PAGES]
    for url in told:
        page = httpx.get(url, trust_env=False, timeout=15)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")


def test_pid_files_name_living_processes(stack: Stack) -> None:
    pids = stack.pids()
    assert set(pids) == NAMES
    assert all(alive(pid) for pid in pids.values())
    executable = Path(f"/proc/{pids['nats']}/exe").readlink()
    assert executable.name == "nats-server"


def test_the_operators_settings_reach_the_services(stack: Stack) -> None:
    body = {"username": "ann", "password": "long enough", "role": "rider"}
    made = post(stack, "/api/users", body)
    assert made.status_code == 201
    assert made.json()["expires_in"] == 77


def test_a_directory_in_use_is_refused_and_its_owner_goes_on(
    stack: Stack, tmp_path: Path
) -> None:
    done = run("up", "--port", "0", "--data-dir", str(stack.data_dir), cwd=tmp_path)
    assert_refused(done, saying=f"in use by process {stack.process.pid}")
    assert set(stack.pids()) == NAMES


def test_nothing_that_up_writes_can_be_read_by_others(tmp_path: Path) -> None:
    """Databases, keys, logs, pids, NATS's store: whatever the starter's umask."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o755)
    before = os.umask(0o000)
    try:
        with running(data_dir) as made:
            body = {"username": "ann", "password": "long enough", "role": "rider"}
            assert post(made, "/api/users", body).status_code == 201
            add = ("user", "add", "boss", "--role", "operator")
            add += ("--data-dir", str(data_dir))
            assert run(*add, cwd=tmp_path, text="long enough\n").returncode == 0
            there = [data_dir, *data_dir.rglob("*")]
            modes = {
                str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
                for path in there
                if not path.name.endswith(".sock")
            }
    finally:
        os.umask(before)
    assert {"data/cabrank.db", "data/logs/persistence-1.log"} <= modes.keys()
    told = {"data/keys/jwks.json"}  # public keys
    opened = {name for name, mode in modes.items() if mode & 0o077}
    assert opened <= told | {name for name in modes if name.endswith(".conf")}
    assert modes["data"] == 0o700


def test_an_operator_is_made_beside_the_running_system(
    stack: Stack, tmp_path: Path
) -> None:
    add = ("user", "add", "boss", "--role", "operator")
    add += ("--data-dir", str(stack.data_dir))
    done = run(*add, "--first-name", "B", cwd=tmp_path, text="long enough\n")
    assert (done.returncode, done.stderr) == (0, "")
    log_in = {"username": "boss", "password": "long enough"}
    logged_in = post(stack, "/api/tokens", log_in)
    assert logged_in.status_code == 200
    user = logged_in.json()["user"]
    assert (user["role"], user["first_name"]) == ("operator", "B")
    again = run(*add, cwd=tmp_path, text="long enough\n")
    assert_refused(again, saying="boss")


@pytest.mark.parametrize(
    ("name", "password"), [("ann bob", "long enough"), ("short", "short"), ("", "x")]
)
def test_a_user_beyond_the_limits_is_refused(
    stack: Stack, tmp_path: Path, name: str, password: str
) -> None:
    add = ("user", "add", name, "--role", "rider", "--data-dir", str(stack.data_dir))
    assert_refused(run(*add, cwd=tmp_path, text=f"{password}\n"), saying="")


def test_tokens_are_printed_a_line_each_and_taken_by_the_gateway(
    stack: Stack, tmp_path: Path
) -> None:
    make = ("tokens", "--role", "driver", "--count", "3", "--prefix", "load")
    names = set()
    for _ in range(2):  # the second time makes others
        done = run(*make, "--data-dir", str(stack.data_dir), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        made = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(made) == 3
        names |= {one["user"]["username"] for one in made}
        assert all(one["user"]["role"] == "driver" for one in made)
        for one in made:
            headers = {"Authorization": f"Bearer {one['access']}"}
            me = httpx.get(f"{stack.url}/api/me", headers=headers, trust_env=False)
            assert (me.status_code, me.json()) == (200, one["user"])
    assert len(names) == 6
    assert all(name.startswith("load") for name in names)


def test_tokens_are_of_as_many_regions_as_are_named(
    stack: Stack, tmp_path: Path
) -> None:
    make = ("tokens", "--role", "rider", "--count", "3", "--prefix", "spread")
    regions = ("--region", "oslo", "--region", "bergen")
    done = run(*make, *regions, "--data-dir", str(stack.data_dir), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    made = [json.loads(line)["access"].split(".")[1] for line in done.stdout.split()]
    claims = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in made]
    assert sorted(one["region"] for one in claims) == ["bergen", "oslo", "oslo"]
    bad = run(
        *make, "--region", "no *", "--data-dir", str(stack.data_dir), cwd=tmp_path
    )
    assert_refused(bad, saying="region")


def test_doctor_finds_all_well(stack: Stack, tmp_path: Path) -> None:
    done = run("doctor", "--data-dir", str(stack.data_dir), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "ok    durability  every acknowledged write is on disk" in done.stdout


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_what_is_killed_is_restarted_and_the_system_is_ready_again(
    stack: Stack, name: str
) -> None:
    before = stack.pid(name)
    stack.kill(name)
    after = await stack.restarted(name, before)
    await stack.ready()
    assert alive(after)
    assert not alive(before)
    assert f"{name} was ended by SIGKILL; starting it again" in stack.said


# ---- stacks of their own -----------------------------------------------------


async def test_sigterm_stops_all_and_a_second_start_goes_on(tmp_path: Path) -> None:
    body = {"username": "ann", "password": "long enough", "role": "rider"}
    with running(tmp_path / "data") as first:
        assert post(first, "/api/users", body).status_code == 201
        nats_url = json.loads((first.data_dir / "stack.json").read_text())["nats_port"]
        pids = first.pids()
        assert first.stop() == 0
        assert not any(alive(pid) for pid in pids.values())
        assert first.pids() == {}
    migrated = tmp_path / "data" / "logs" / "migrate.log"
    migrated.unlink()
    with running(tmp_path / "data") as second:
        assert not migrated.exists(), "there was nothing to migrate"
        assert post(second, "/api/tokens", body).status_code == 200
        again = json.loads((second.data_dir / "stack.json").read_text())["nats_port"]
        assert again == nats_url
        assert second.stop(signal.SIGINT) == 0


async def test_a_second_start_remembers_the_postgresql_of_the_first(
    tmp_path: Path, postgres_cluster: postgres.Cluster
) -> None:
    url = postgres_cluster.url(postgres_cluster.create_database())
    body = {"username": "ann", "password": "long enough", "role": "rider"}
    with running(tmp_path / "data", "--database-url", url) as first:
        assert post(first, "/api/users", body).status_code == 201, first.said
        assert first.stop() == 0
    with running(tmp_path / "data") as second:
        assert post(second, "/api/tokens", body).status_code == 200, second.said
        done = run("doctor", "--data-dir", str(second.data_dir), cwd=tmp_path)
        assert "ok    database    postgresql, at the newest revision" in done.stdout
        assert second.stop() == 0
    assert not (second.data_dir / "cabrank.db").exists()


async def test_gateways_listen_side_by_side_and_all_have_pid_files(
    tmp_path: Path,
) -> None:
    many = ("--gateways", "2", "--dispatchers", "2", "--persistence", "2")
    with running(tmp_path / "data", *many) as stack:
        numbered = {name.replace("1", "2") for name in NAMES - {"webhooks-1"}}
        assert set(stack.pids()) == NAMES | numbered
        assert stack.is_ready(number=2)
        assert stack.stop() == 0


async def test_everything_dies_with_up_even_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "data") as first:
        pids = first.pids()
        assert set(pids) == NAMES
        first.process.kill()
        first.process.wait()
        await until(
            lambda: not any(alive(pid) for pid in pids.values()), "their deaths"
        )
    with running(tmp_path / "data") as second:
        assert set(second.pids()) == NAMES
        assert not set(second.pids().values()) & set(pids.values())


BROKEN = """
import os, sys
if sys.orig_argv[-1] == "persistence":
    print("persistence is broken here", file=sys.stderr, flush=True)
    os._exit(9)
"""


def test_a_service_that_can_not_start_ends_up_with_its_last_words(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BROKEN)
    done = run("up", "--port", "0", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "persistence-1 exited with status 9 5 times before" in done.stderr
    assert done.stderr.endswith("persistence is broken here\n")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / ".cabrank" / "run").glob("*.pid"))


async def test_it_can_be_stopped_while_it_starts(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    slow = BROKEN.replace("os._exit(9)", "import time; time.sleep(600)")
    (site / "sitecustomize.py").write_text(slow)
    stack = Stack(tmp_path / "data", settings={"PYTHONPATH": str(site)})
    pid_file = stack.data_dir / "run" / "persistence-1.pid"
    stack.begin()
    try:
        await until(pid_file.exists, "persistence's start", 30)
        assert stack.stop() == 0
    finally:
        stack.end()
    assert not pid_file.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "::", "::1", "localhost"])
def test_clients_address_is_not_the_ops_ports(tmp_path: Path, host: str) -> None:
    with running(tmp_path / "data", "--host", host) as stack:
        assert stack.is_ready()
        for name in sorted(NAMES - {"nats"}):
            assert stack.metrics_url(name).startswith("http://127.0.0.1:")
            page = httpx.get(stack.metrics_url(name), trust_env=False, timeout=15)
            assert page.status_code == 200
        outside = httpx.get(f"{stack.url}/metrics", trust_env=False, timeout=15)
        assert outside.status_code == 404


@pytest.mark.parametrize(
    "name", ["feature%2Fx", "really?mode=ro", "a #\"$HOME' {é};&b=@c:d\\e"]
)
def test_all_of_a_data_directory_lies_in_it_whatever_its_name(
    tmp_path: Path, name: str
) -> None:
    data = tmp_path / "parent" / name
    with running(data) as stack:
        body = {"username": "ann", "password": "long enough", "role": "rider"}
        assert post(stack, "/api/users", body).status_code == 201
        assert (data / "run" / "gateway-1.pid").exists()
    made = run(
        *("user", "add", "bob", "--role", "operator", "--data-dir", str(data)),
        cwd=tmp_path,
        text="long enough\n",
    )
    assert made.returncode == 0, made.stderr
    folders = {path.name for path in data.parent.iterdir() if path.is_dir()}
    assert folders == {name}
    assert (data / "cabrank.db").stat().st_size > 0
    assert list(data.glob("nats/jetstream/*/streams/LEDGER_main"))
    with running(data) as stack:
        for who in ("ann", "bob"):
            log_in = {"username": who, "password": "long enough"}
            assert post(stack, "/api/tokens", log_in).status_code == 200
