"""`cabrank audit`: who did what, told on the command line."""

import asyncio
import json
from pathlib import Path

import pytest

from persistence import database
from persistence.log_book import Entry, write
from tests.contract.cabrank.commands import Shell, assert_refused

T0_MS = 1_795_255_200_000


@pytest.fixture
def told(tmp_path: Path, shell: Shell) -> Shell:
    """A shell where that has happened."""
    made = f"sqlite:///{tmp_path}/cabrank.db"
    database.migrate(made)

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
        return told.said("audit", *arguments).splitlines()

    assert len(rows()) == 5
    last = "2026-11-21T10:05:00.000Z  olga  revoke  anna  ok  -  by hand"
    assert rows("--limit", "2")[-1] == last
    assert rows("--user", "olga") == [last]
    assert rows("--action", "revoke") == [last]
    assert len(rows("--since", "2026-11-21T10:02:00Z")) == 3
    assert rows("--since", "1s", "--user", "nobody") == []
    (line,) = rows("--json", "--limit", "1")
    assert json.loads(line) == {
        "at": "2026-11-21T10:05:00.000Z",
        "actor": "olga",
        "action": "revoke",
        "subject": "anna",
        "outcome": "ok",
        "address": "",
        "detail": "by hand",
    }


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
