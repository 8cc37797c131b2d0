"""What `cabrank nats-auth` writes, and a seed replaced while everything runs."""

import stat
from pathlib import Path

import nkeys
import pytest

from cabrank.errors import UsageError
from cabrank.stack import nats_auth
from runtime import bus as buses
from runtime.nats_login import Login
from runtime.nats_trouble import REFUSED, ConnectError
from runtime.settings import SettingsError
from schemas.permissions import Service
from tests.contract.cabrank.commands import assert_refused, run
from tests.contract.nats_auth.conftest import Locked
from tests.support.waiting import until_true


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_it_can_be_run_again_and_changes_nothing(tmp_path: Path) -> None:
    first = run("nats-auth", "auth", cwd=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    made = contents(tmp_path / "auth")
    assert {*made} == {"auth.conf", *(f"{service}.nk" for service in Service)}
    again = run("nats-auth", "auth", cwd=tmp_path)
    assert again.stdout == first.stdout.replace(" (new)", "")
    assert contents(tmp_path / "auth") == made


def test_seeds_are_their_owner_s_alone_and_not_in_the_configuration(
    tmp_path: Path,
) -> None:
    nats_auth.run(tmp_path / "auth", [], [])
    conf = (tmp_path / "auth" / "auth.conf").read_text()
    for service in Service:
        path = nats_auth.seed_file(tmp_path / "auth", service)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().strip() not in conf


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (["nats-auth"], "DIR"),
        (["nats-auth", "file"], "file"),
        (["nats-auth", "auth", "--rotate", "nats"], "--rotate"),
        (["nats-auth", "spoiled"], "gateway.nk"),
    ],
)
def test_what_can_t_be_is_told_in_one_sentence(
    arguments: list[str], saying: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "spoiled").mkdir()
    (tmp_path / "spoiled" / "gateway.nk").write_text("SUX")
    assert_refused(run(*arguments, cwd=tmp_path), saying=saying)


async def test_a_seed_is_rotated_without_a_refusal(locked: Locked) -> None:
    old = nats_auth.seed_file(locked.auth, Service.GATEWAY).read_text()
    # A service that reads its seed from a file that is replaced under it.
    mounted = locked.auth / "mounted.nk"
    mounted.write_text(old)
    login = Login(Service.GATEWAY, str(mounted))
    running = await buses.connect(locked.url, "running", login=login)
    nats_auth.run(locked.auth, [Service.GATEWAY], [])
    with pytest.raises(UsageError, match="--retire gateway"):
        nats_auth.run(locked.auth, [Service.GATEWAY], [])
    locked.reload()

    async def accepted(seed_file: Path) -> bool:
        login = Login(Service.GATEWAY, str(seed_file))
        try:
            bus = await buses.connect(locked.url, "a", login=login, forever=False)
        except ConnectError as error:
            if str(error) != REFUSED:
                raise
            return False
        await bus.close()
        return True

    new = nats_auth.seed_file(locked.auth, Service.GATEWAY)
    before = nats_auth.previous_file(locked.auth, Service.GATEWAY)
    kept = locked.auth / "kept.nk"
    kept.write_text(old)
    assert before.read_text() == old
    await until_true(lambda: accepted(new), "the new seed", 30)
    assert await accepted(before)
    mounted.write_text(new.read_text())
    await running.force_reconnect()
    await until_true(lambda: _is_connected(running), "the new key", 30)
    nats_auth.run(locked.auth, [], [Service.GATEWAY])
    assert not before.exists()
    locked.reload()

    async def refused() -> bool:
        return not await accepted(kept)

    await until_true(refused, "the old seed's end", 30)
    assert await accepted(new)
    assert running.is_connected
    await running.close()


async def _is_connected(bus: buses.Bus) -> bool:
    return bus.is_connected and bus.stats["reconnects"] > 0


def test_a_seed_of_another_kind_is_refused(tmp_path: Path) -> None:
    nats_auth.run(tmp_path, [], [])
    account = nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT)
    nats_auth.seed_file(tmp_path, Service.GATEWAY).write_text(account.decode())
    with pytest.raises(SettingsError, match="not the seed of an nkey user"):
        nats_auth.run(tmp_path, [], [])
