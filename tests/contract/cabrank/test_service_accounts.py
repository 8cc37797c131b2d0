"""`cabrank user add --service`, `keys`, `add-key`: on a database, whatever runs."""

import re
from pathlib import Path

import pytest

from persistence import revisions
from schemas.service_accounts import is_key
from tests.contract.cabrank.commands import Shell, assert_refused

SERVICE = ("--role", "operator", "--service")


@pytest.fixture
def desk(tmp_path: Path, shell: Shell) -> Shell:
    made = f"sqlite:///{tmp_path}/cabrank.db"
    revisions.migrate(made)
    shell.set(CABRANK_DATABASE_URL=made)
    return shell


def test_a_key_is_printed_once_and_listed_without_its_secret(desk: Shell) -> None:
    done = desk.run("user", "add", "billing", *SERVICE, "--scope", "trips")
    key = done.stdout.rstrip("\n")
    assert is_key(key)
    assert re.fullmatch(r"operator billing has the id [0-9a-f-]{36}\n", done.stderr)
    more = ("--scope", "read", "--scope", "rooms", "--expires", "90")
    other = desk.said("user", "add-key", "billing", *more).rstrip("\n")
    assert is_key(other)
    listed = desk.said("user", "keys")
    assert key not in listed
    first, second = listed.splitlines()
    assert re.fullmatch(
        r"[0-9a-f]{32}  billing  may trips  made 2\S+Z  never expires", first
    )
    assert "may read rooms" in second
    assert re.search(r"expires 2\S+Z$", second)
    assert desk.said("user", "keys", "BILLING") == listed
    audit = desk.said("audit")
    assert audit.count("service_key_add") == 2
    assert first.split()[0] in audit


def test_an_account_without_scopes_may_all(desk: Shell) -> None:
    assert desk.run("user", "add", "billing", *SERVICE).returncode == 0
    assert "  may all  " in desk.said("user", "keys")


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (("add", "x", "--role", "rider", "--service"), "is an operator, not a rider"),
        (("add", "x", *SERVICE, "--scope", "fly"), "no scope 'fly': trips, drivers,"),
        (("add", "x", *SERVICE, "--scope", ""), "no scope ''"),
        (("add", "x", *SERVICE, "--scope", "Trips"), "no scope 'Trips'"),
        (("add", "x", *SERVICE, "--first-name", "X"), "no first and no last name"),
        (("add", "x", *SERVICE, "--expires", "0"), "--expires"),
        (("add", "x", *SERVICE, "--expires", "3651"), "--expires"),
        (("add", "a b", *SERVICE), "'a b' is not"),
        (("add", "olga", *SERVICE), "'olga' is taken"),
        (("add", "x", "--role", "rider", "--scope", "trips"), "say --service too"),
        (("add", "x", "--role", "operator", "--expires", "9"), "say --service too"),
        (("add-key", "olga"), "no service account 'olga'"),
        (("add-key", "nobody"), "no service account 'nobody'"),
        (("add-key", "nobody", "--scope", "fly"), "no scope 'fly'"),
        (("keys", "nobody"), "no user 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_told_in_one_sentence(
    desk: Shell, arguments: tuple[str, ...], saying: str
) -> None:
    desk.type("correct horse\n")
    made = desk.run("user", "add", "olga", "--role", "operator")
    assert made.returncode == 0
    desk.type("correct horse\n")
    assert_refused(desk.run("user", *arguments), saying=saying)
    assert desk.said("user", "keys") == ""
