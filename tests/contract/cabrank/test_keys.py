"""`cabrank keys`: on key files, whatever runs or doesn't."""

from pathlib import Path

import pytest

from persistence import keys
from persistence.keyring import KeyRing
from tests.contract.cabrank.commands import assert_refused, run

DAY_MS = 86_400_000


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    pem, jwks = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "jwks.json"
    keys.ensure(pem, jwks)
    return {
        "CABRANK_DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
        "CABRANK_SIGNING_KEY_FILE": str(pem),
        "CABRANK_VERIFY_KEYS_FILE": str(jwks),
    }


def test_a_key_is_made_listed_and_retired(
    files: dict[str, str], tmp_path: Path
) -> None:
    def said(*arguments: str) -> str:
        done = run("keys", *arguments, cwd=tmp_path, **files)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    first = said("list").split()[0]
    assert said("list") == f"{first}  signs\n"
    second = said("rotate", "--lead", "0").split()[0]
    assert said("list").splitlines()[0] == f"{second}  signs"
    assert f"{first}  verifies, for 30.0 days more" in said("list")
    third = said("rotate").split()[0]
    assert f"{third}  signs from 2" in said("list")
    assert said("retire") == ""
    for kid, saying in (
        (first, "still needed"),
        (second, "rotate` first"),
        (third, "it is to sign"),
        ("x", "no key 'x'"),
    ):
        refused = run("keys", "retire", kid, cwd=tmp_path, **files)
        assert_refused(refused, saying=saying)
    assert said("retire", first, "--force") == f"{first} retired\n"
    assert first not in said("list")
    jwks = Path(files["CABRANK_VERIFY_KEYS_FILE"]).read_text()
    assert first not in jwks
    assert second in jwks


def test_what_no_token_needs_is_retired_without_being_named(
    files: dict[str, str], tmp_path: Path
) -> None:
    paths = files["CABRANK_SIGNING_KEY_FILE"], files["CABRANK_VERIFY_KEYS_FILE"]
    old = KeyRing.load(paths[0]).keys[0].signer.kid
    keys.rotate(*paths, DAY_MS, 0)  # in 1970
    done = run("keys", "retire", cwd=tmp_path, **files)
    assert done.stdout == f"{old} retired\n"


def test_without_keys_it_says_so(tmp_path: Path) -> None:
    done = run(
        *("keys", "rotate"),
        cwd=tmp_path,
        CABRANK_DATABASE_URL=f"sqlite:///{tmp_path}/none.db",
        CABRANK_SIGNING_KEY_FILE=str(tmp_path / "none.pem"),
    )
    assert_refused(done, saying="none.pem can't be read")
