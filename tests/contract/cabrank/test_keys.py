"""`cabrank keys`: on key files, whatever runs or doesn't."""

import os
import re
import stat
from pathlib import Path

import pytest

from persistence import revisions
from persistence.identity import keyfiles
from persistence.identity.keyring import KeyRing
from tests.contract.cabrank.commands import Shell, assert_refused

DAY_MS = 86_400_000


@pytest.fixture
def files(tmp_path: Path, shell: Shell) -> dict[str, str]:
    pem, jwks = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "jwks.json"
    keyfiles.ensure(pem, jwks)
    revisions.migrate(f"sqlite:///{tmp_path}/cabrank.db")
    made = {
        "CABRANK_DATABASE_URL": f"sqlite:///{tmp_path}/cabrank.db",
        "CABRANK_SIGNING_KEY_FILE": str(pem),
        "CABRANK_VERIFY_KEYS_FILE": str(jwks),
    }
    shell.set(**made)
    return made


def test_a_key_is_made_listed_and_retired(files: dict[str, str], shell: Shell) -> None:
    def said(*arguments: str) -> str:
        return shell.said("keys", *arguments)

    first = said("list").split()[0]
    assert said("list") == f"{first}  signs\n"
    second = said("rotate", "--lead", "0").split()[0]
    assert said("list").splitlines()[0] == f"{second}  signs"
    assert f"{first}  verifies, for 30.0 days more" in said("list")
    third = said("rotate").split()[0]
    assert f"{third}  signs from 2" in said("list")
    assert said("retire").startswith("Nothing to retire")
    for kid, saying in (
        (first, "still needed"),
        (second, "rotate` first"),
        (third, "it is to sign"),
        ("x", "no key 'x'"),
    ):
        assert_refused(shell.run("keys", "retire", kid), saying=saying)
    assert said("retire", first, "--force") == f"{first} retired\n"
    assert first not in said("list")
    jwks = Path(files["CABRANK_VERIFY_KEYS_FILE"]).read_text()
    assert first not in jwks
    assert second in jwks
    _, *told = shell.said("audit").splitlines()
    assert [re.split("  +", line)[1:5] for line in told] == [
        ["command line", "keys_rotate", second, "ok"],
        ["command line", "keys_rotate", third, "ok"],
        ["command line", "keys_retire", first, "ok"],
    ]


@pytest.mark.usefixtures("files")
def test_keys_rotate_while_the_database_is_away(shell: Shell, tmp_path: Path) -> None:
    shell.set(CABRANK_DATABASE_URL=f"sqlite:///{tmp_path}/none.db")
    done = shell.run("keys", "rotate")
    assert done.returncode == 0
    assert "signs from" in done.stdout
    assert done.stderr.startswith("Not in the audit log: ")


def test_what_no_token_needs_is_retired_without_being_named(
    files: dict[str, str], shell: Shell
) -> None:
    paths = files["CABRANK_SIGNING_KEY_FILE"], files["CABRANK_VERIFY_KEYS_FILE"]
    old = KeyRing.load(paths[0]).keys[0].signer.kid
    keyfiles.rotate(*paths, DAY_MS, 0)  # in 1970
    assert shell.said("keys", "retire") == f"{old} retired\n"


def test_without_keys_it_says_so(shell: Shell, tmp_path: Path) -> None:
    shell.set(
        CABRANK_DATABASE_URL=f"sqlite:///{tmp_path}/none.db",
        CABRANK_SIGNING_KEY_FILE=str(tmp_path / "none.pem"),
    )
    done = shell.run("keys", "rotate")
    assert_refused(done, saying="none.pem can't be read")


def test_keys_rotate_with_nothing_but_the_key_files(
    files: dict[str, str], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that has a Kubernetes Secret in a folder, and no database."""
    monkeypatch.delenv("CABRANK_DATABASE_URL")
    monkeypatch.chdir(Path(files["CABRANK_SIGNING_KEY_FILE"]).parent)
    done = shell.run("keys", "rotate")
    assert (done.returncode, done.stdout.count("signs from")) == (0, 1)
    assert done.stderr == "Not in the audit log: CABRANK_DATABASE_URL is not set.\n"
    assert len(shell.said("keys", "list").splitlines()) == 2


@pytest.mark.parametrize(("before", "after"), [(0o640, 0o640), (0o644, 0o640)])
def test_a_group_that_reads_the_key_reads_the_next_one_and_nobody_else_does(
    files: dict[str, str], shell: Shell, before: int, after: int
) -> None:
    signing = Path(files["CABRANK_SIGNING_KEY_FILE"])
    assert stat.S_IMODE(signing.stat().st_mode) == 0o600
    shell.said("keys", "rotate")
    assert stat.S_IMODE(signing.stat().st_mode) == 0o600
    group = 10001 if os.geteuid() == 0 else os.getegid()
    os.chown(signing, -1, group)
    signing.chmod(before)
    shell.said("keys", "rotate")
    found = signing.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (after, group)
