"""`cabrank audit`: who did what, told on the command line."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from cabrank.operate.audit_log import HEADING
from cabrank.operate.say import ITSELF
from persistence import database, revisions
from persistence.audit_log import Entry, write
from tests.contract.cabrank.commands import Shell, assert_refused

T0_MS = 1_795_255_200_000


@pytest.fixture
def told(tmp_path: Path, shell: Shell) -> Shell:
    """A shell where that has happened."""
    made = f"sqlite:///{tmp_path}/cabrank.db"
    revisions.migrate(made)

    async def fill() -> None:
        engine = database.engine(made)
        async with engine.begin() as connection:
            for number in range(4):
                entry = Entry("log_in", "anna", "anna", "ok", "192.0.2.1")
                await write(connection, entry, T0_MS + number * 60_000)
            entry = Entry("revoke", "olga", "anna", detail="by hand")
            await write(connection, entry, T0_MS + 300_000)
        await engine.dispose()

    asyncio.run(fill())
    shell.set(CABRANK_DATABASE_URL=made)
    return shell


def test_rows_are_chosen_and_told_oldest_first(told: Shell) -> None:
    def rows(*arguments: str) -> list[str]:
        heading, *lines = told.said("audit", *arguments).splitlines()
        assert tuple(heading.split()) == HEADING
        return [re.sub("  +", "  ", line) for line in lines]

    assert len(rows()) == 5
    last = "2026-11-21T10:05:00.000Z  olga  revoke  anna  ok  -  by hand"
    assert rows("--limit", "2")[-1] == last
    assert rows("--user", "olga") == [last]
    assert rows("--action", "revoke") == [last]
    assert len(rows("--since", "2026-11-21T10:02:00Z")) == 3
    assert rows("--since", "1s", "--user", "nobody") == []
    (line,) = told.said("audit", "--json", "--limit", "1").splitlines()
    assert json.loads(line) == {
        "at": "2026-11-21T10:05:00.000Z",
        "actor": "olga",
        "action": "revoke",
        "subject": "anna",
        "outcome": "ok",
        "address": "",
        "detail": "by hand",
        "actor_name": "",
        "subject_name": "",
    }


def test_users_are_told_by_their_names_in_columns(told: Shell) -> None:
    add = ("user", "add", "olga.the-operator", "--role", "operator")
    told.type("long enough\n")
    made = told.said(*add).split()[-1]
    heading, line = told.said("audit", "--action", "user_add").splitlines()
    assert made not in line
    assert line[heading.index("TO") :].startswith("olga.the-operator  ")
    assert line[heading.index("WHO") :].startswith("command line  ")
    (row,) = told.said("audit", "--action", "user_add", "--json").splitlines()
    said = json.loads(row)
    assert (said["subject"], said["subject_name"]) == (made, "olga.the-operator")


def test_what_a_shell_did_over_http_is_told_by_a_name_too(told: Shell) -> None:
    async def notify() -> None:
        engine = database.engine(os.environ["CABRANK_DATABASE_URL"])
        async with engine.begin() as connection:
            entry = Entry("notify", ITSELF.id, "anna", "ok", "127.0.0.1")
            await write(connection, entry, T0_MS + 400_000)
        await engine.dispose()

    asyncio.run(notify())
    heading, line = told.said("audit", "--action", "notify").splitlines()
    assert line[heading.index("WHO") :].startswith("cabrank  ")
    (row,) = told.said("audit", "--action", "notify", "--json").splitlines()
    said = json.loads(row)
    assert (said["actor"], said["actor_name"]) == (ITSELF.id, "cabrank")


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (["--action", "steal"], "no action 'steal'"),
        (["--since", "yesterday"], "--since is 'yesterday'"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_question_is_told_in_one_sentence(
    arguments: list[str], saying: str, told: Shell
) -> None:
    assert_refused(told.run("audit", *arguments), saying=saying)
