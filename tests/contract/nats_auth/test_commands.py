"""Operators' commands with another's seed: each ends at once and names what it may not.

Without that, `user erase` would wait for ten minutes for the answer to a question that
was never sent.
"""

from pathlib import Path

import pytest

from persistence import revisions
from persistence.identity import keyfiles
from schemas.permissions import Service
from tests.contract.cabrank.commands import assert_refused, run
from tests.contract.nats_auth.conftest import Locked


@pytest.fixture
def environ(locked: Locked, tmp_path: Path) -> dict[str, str]:
    """Of persistence's container."""
    url = f"sqlite:///{tmp_path}/cabrank.db"
    revisions.migrate(url)
    signing, verify = tmp_path / "signing.pem", tmp_path / "jwks.json"
    keyfiles.ensure(signing, verify)
    return {
        "CABRANK_NATS_URL": locked.url,
        "CABRANK_DATABASE_URL": url,
        "CABRANK_NATS_NKEY_SEED_FILE": locked.login(Service.PERSISTENCE).seed_file,
        "CABRANK_SIGNING_KEY_FILE": str(signing),
        "CABRANK_VERIFY_KEYS_FILE": str(verify),
    }


@pytest.mark.parametrize(
    ("command", "subject", "seed"),
    [
        (("user", "erase", "anna", "--yes"), "result.", Service.OPERATOR),
        (("verify",), "_inbox_operator.", Service.OPERATOR),
        (("rebuild",), "_inbox_operator.", Service.OPERATOR),
        (("rebuild", "--new-ledger"), "_inbox_dispatcher.", Service.DISPATCHER),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_it_ends_and_names_the_subject_and_whose_seed_it_wants(
    environ: dict[str, str],
    tmp_path: Path,
    command: tuple[str, ...],
    subject: str,
    seed: Service,
) -> None:
    done = run(*command, cwd=tmp_path, **environ)
    assert_refused(done, saying=f'"{subject}')
    assert "NATS forbids a subject: permissions violation for" in done.stderr
    assert f"set CABRANK_NATS_NKEY_SEED_FILE to the {seed}'s seed" in done.stderr


def test_doctor_says_what_it_may_not(environ: dict[str, str], tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path, **environ)
    assert done.returncode == 1
    (line,) = (one for one in done.stdout.splitlines() if "permission" in one)
    assert line.startswith("FAIL")
    # nats-py has it in small letters.
    assert '"_inbox_operator.' in line
    assert "set CABRANK_NATS_NKEY_SEED_FILE to the operator's seed" in line
    assert "database    sqlite" in done.stdout


def test_an_operator_may_do_all_of_them(
    environ: dict[str, str], tmp_path: Path, locked: Locked
) -> None:
    environ["CABRANK_NATS_NKEY_SEED_FILE"] = locked.login(Service.OPERATOR).seed_file
    assert "FAIL" not in run("doctor", cwd=tmp_path, **environ).stdout
    for command in (("verify",), ("rebuild",)):
        done = run(*command, cwd=tmp_path, **environ)
        assert_refused(done, saying="holds no ledger")
    # Nobody runs there who could erase.
    done = run("user", "erase", "anna", "--yes", cwd=tmp_path, **environ)
    assert_refused(done, saying="the service behind this is not running")
