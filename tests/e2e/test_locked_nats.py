"""The nats-server of `cabrank up` lets in the services and nobody else."""

import nats
import pytest

from cabrank.operate import target
from runtime import bus as buses
from schemas import subjects
from schemas.permissions import Service
from tests.e2e.conftest import Town
from tests.support.stack import cabrank
from tests.support.waiting import until


async def test_a_program_on_the_same_machine_is_not_let_in(town: Town) -> None:
    url = target.find(town.stack.data_dir).nats_url
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        await nats.connect(url, allow_reconnect=False)


async def test_a_gateway_s_seed_doesn_t_write_the_ledger(town: Town) -> None:
    found = target.find(town.stack.data_dir)
    login = found.nats_login(Service.GATEWAY)
    refused: list[str] = []

    async def erred(error: Exception) -> None:
        refused.append(str(error))

    thief = await nats.connect(
        found.nats_url, nkeys_seed=login.seed_file, error_cb=erred
    )
    for subject in (
        subjects.ledger("main"),
        subjects.replies("another", "main"),
        subjects.user("main", town.operator.id),
    ):
        await thief.publish(subject, b"[]")
    await thief.flush()
    await until(lambda: len(refused) == 3, "three refusals", 30)
    await thief.close()
    done = cabrank("verify", "--data-dir", str(town.stack.data_dir))
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_tools_of_the_data_directory_are_let_in(town: Town) -> None:
    found = target.find(town.stack.data_dir)
    bus = await buses.connect(found.nats_url, "test", login=found.nats_login())
    assert await bus.jetstream().streams_info()
    await bus.close()


def test_what_nats_keeps_is_listed_for_whoever_has_the_data_directory(
    town: Town,
) -> None:
    done = town.stack.command("streams")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"LEDGER_main", "OBJ_SNAPSHOTS", "REVOCATIONS"} <= set(names)
    (ledger,) = [line for line in done.stdout.splitlines() if "LEDGER_main" in line]
    assert ledger.endswith("1 of 1")
