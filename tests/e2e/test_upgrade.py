"""From the last release to today's code and back, by rolling restarts, under load: so
gateways of before live beside a leader of after, and the other way round.
"""

import asyncio
import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.deliveries.service import FORBIDDEN
from tests.data.keep_code import ROOT, unpack
from tests.support.client import welcomed
from tests.support.faithful import Faithful, drive, missed_nothing
from tests.support.stack import Stack
from tests.support.waiting import until

READY_S = 120
"""For a process to be started on a busy machine."""


class Installed:
    """A folder on PYTHONPATH that is now one version's code, now another's."""

    def __init__(self, folder: Path) -> None:
        self.before = folder / "before"
        unpack(self.before)
        self.path = folder / "installed"
        self.path.symlink_to(self.before)

    def put(self, code: Path) -> None:
        new = self.path.with_suffix(".new")
        new.symlink_to(code)
        new.replace(self.path)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.fixture
def stack(tmp_path: Path, installed: Installed) -> Iterator[Stack]:
    """A system of the last release."""
    made = Stack(
        tmp_path / "data",
        *("--gateways", "2", "--dispatchers", "2", "--share-port"),
        settings={"PYTHONPATH": str(installed.path)},
        cwd=tmp_path,
    )
    made.start()
    yield made
    made.stop()


def is_ready(stack: Stack, name: str) -> bool:
    """What /readyz of its ops port says."""
    told = (stack.data_dir / "run" / f"{name}.json").read_text()
    try:
        url = f"http://{json.loads(told)[0]['targets'][0]}/readyz"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


async def upgraded(stack: Stack) -> None:
    """Every process is replaced by one of what is installed now."""
    done = await asyncio.to_thread(stack.command, "restart")
    assert done.returncode == 0, done.stderr + stack.said
    assert len(done.stdout.splitlines()) == 5


async def taken_back(stack: Stack) -> None:
    """The same in the reverse order, one after another, and the schema is left
    (docs/OPERATING.md): each is asked to end, and `up` starts what is installed.
    """
    for name in (
        *("gateway-2", "gateway-1"),
        *("dispatcher-2", "dispatcher-1", "persistence-1"),
    ):
        before = stack.kill(name, signal.SIGTERM)
        await stack.restarted(name, before)
        await until(lambda each=name: is_ready(stack, each), f"{name} ready", READY_S)


@pytest.mark.timeout(300)
async def test_an_upgrade_under_load_and_the_way_back_lose_nothing(
    stack: Stack, installed: Installed
) -> None:
    riding, sitting = stack.people("rider", 2)
    driving = stack.people("driver", 1)[0]
    rider, driver = Faithful(stack.url, riding), Faithful(stack.url, driving)
    living = [asyncio.create_task(each.live()) for each in (rider, driver)]
    await until(lambda: rider.client and driver.client, "the sockets")
    over = asyncio.Event()
    trips = asyncio.create_task(drive(rider, driver, over))

    for code, replace_all in ((ROOT, upgraded), (installed.before, taken_back)):
        installed.put(code)
        await replace_all(stack)
        # Whoever comes now is served by the new processes.
        client, data = await welcomed(stack.url, sitting.access)
        assert data["user"]["id"] == sitting.id
        await client.do("chat.join", {"room": "rank"})
        await client.close()
    over.set()
    made = await trips
    for each in (rider, driver):
        await each.stop()
    await asyncio.gather(*living)
    for each in (rider, driver):
        missed_nothing(each, made)
    assert len(made) > 1
    # By the permissions of before no rounds are kept, and webhooks wait, which the
    # persistence of after says once (docs/OPERATING.md).
    others = [line for line in stack.forbidden() if "matches" not in line.lower()]
    assert [json.loads(line)["event"] for line in others] == [FORBIDDEN]
    installed.put(ROOT)
    verified = await asyncio.to_thread(stack.command, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
