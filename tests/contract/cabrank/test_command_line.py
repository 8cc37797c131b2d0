"""Wrong options, settings and input, and the commands that need nothing running."""

import json
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cabrank import main
from cabrank.stack import ports
from cabrank.stack.datadir import DataDir, Remembered
from tests.contract.cabrank.commands import assert_refused, run


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        ([], "Missing command"),
        (["no-such-command"], "no-such-command"),
        (["settings", "--jsno"], "--jsno"),
        (["up", "extra"], "extra"),
        (["up", "--port", "x"], "--port"),
        (["up", "--port", "65536"], "--port"),
        (["up", "--port", "65535", "--gateways", "2"], "beyond 65535"),
        (["up", "--gateways", "0"], "--gateways"),
        (["up", "--dispatchers", "-1"], "--dispatchers"),
        (["up", "--persistence", "many"], "--persistence"),
        (["up", "--port", "0", "--nats-servers", "2"], "1, 3 or 5"),
        (["up", "--host", "192.0.2.1"], "192.0.2.1"),
        (["up", "--host", "no host"], "no host"),
        (["up", "--port", "0", "--database-url", "mysql://here"], "mysql"),
        (["up", "--port", "0", "--database-url", "nonsense"], "database URL"),
        (["up", "--data-dir", "file"], "can't be made"),
        (["demo", "--speed", "0"], "--speed"),
        (["demo", "--speed", "nan"], "--speed"),
        (["demo", "--drivers", "0"], "--drivers"),
        (["demo", "--policy", "fair"], "fair"),
        (["user"], "Missing command"),
        (["user", "add"], "NAME"),
        (["user", "add", "ann"], "--role"),
        (["user", "add", "ann", "--role", "king"], "--role"),
        (["user", "add", "ann", "--role", "operator"], "password"),
        (["tokens", "--role", "rider"], "--count"),
        (["tokens", "--role", "rider", "--count", "0"], "--count"),
        (["tokens", "--role", "rider", "--count", "1"], "Nothing was started"),
        (["doctor", "--data-dir", "nowhere"], "Nothing was started"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(
    arguments: list[str], saying: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert_refused(run(*arguments, cwd=tmp_path), saying=saying)


@pytest.mark.parametrize(
    "command",
    ["up", "gateway", "dispatcher", "persistence", "webhooks", "migrate", "doctor"],
)
def test_a_wrong_setting_is_named(command: str, tmp_path: Path) -> None:
    done = run(command, cwd=tmp_path, CABRANK_REQUEST_TTL_S="soon")
    assert_refused(done, saying="CABRANK_REQUEST_TTL_S")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    port = ports.free()
    with socket.create_server(("127.0.0.1", port)):
        done = run("up", "--port", str(port), cwd=tmp_path)
    assert_refused(done, saying=f"Port {port} on 127.0.0.1 is in use")


def test_a_ledger_on_another_number_of_servers_is_left_alone(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / ".cabrank")
    directory.make()
    directory.remember(Remembered(nats_port=ports.free(), nats_servers=3))
    done = run("up", "--port", "0", "--nats-servers", "1", cwd=tmp_path)
    assert_refused(done, saying="its ledger on 3 nats-servers")


def test_a_data_directory_in_use_is_refused(tmp_path: Path) -> None:
    directory = DataDir(tmp_path / ".cabrank")
    directory.make()
    held = directory.lock()
    try:
        done = run("up", "--port", "0", cwd=tmp_path)
    finally:
        os.close(held)
    assert_refused(done, saying=f"in use by process {os.getpid()}")


@pytest.mark.parametrize("command", [["simulate"], ["bench", "lifecycle"]])
def test_who_does_not_answer_is_not_loaded(command: list[str], tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{ports.free()}"
    done = run(*command, "--url", url, cwd=tmp_path)
    assert_refused(done, saying=f"{url} does not answer")


def test_every_command_refuses_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main._add_trial_commands(["--help"])
    commands = list(_leaves(typer.main.get_command(main.app), []))
    assert ["bench", "fanout"] in commands
    assert ["user", "erase"] in commands
    for command in commands:
        for wrong in (["--unheard-of"], ["x"] * 9):
            monkeypatch.setattr(sys, "argv", ["cabrank", *command, *wrong])
            status, said = main.run(), capsys.readouterr()
            assert (status, said.out) == (2, ""), (command, said)
            assert said.err.count("\n") == 1, (command, said)


def _leaves(group: Any, path: list[str]) -> Iterator[list[str]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, [*path, name])
        else:
            yield [*path, name]


def test_the_version_is_shown(tmp_path: Path) -> None:
    done = run("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("cabrank ")


def test_the_help_lists_every_command(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    commands = (
        "up gateway dispatcher persistence migrate settings user tokens "
        "simulate bench doctor"
    )
    for command in commands.split():
        assert f"\n  {command} " in done.stdout, command


def test_settings_are_listed_as_text_and_as_json(tmp_path: Path) -> None:
    text = run("settings", cwd=tmp_path, CABRANK_OFFER_TTL_S="9").stdout
    assert "CABRANK_OFFER_TTL_S  (default: 15)  now: 9" in text
    rows = json.loads(run("settings", "--json", cwd=tmp_path).stdout)
    assert {"variable", "default", "current", "meaning"} == set(rows[0])


def test_migrate_makes_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/cabrank.db"
    for _ in range(2):
        done = run("migrate", cwd=tmp_path, CABRANK_DATABASE_URL=url)
        assert (done.returncode, done.stderr) == (0, "")
    with sqlite3.connect(tmp_path / "new" / "cabrank.db") as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    database.close()
    assert {"users", "trips", "trip_events"} <= tables


def test_a_database_that_can_not_be_reached_is_told_in_one_sentence(
    tmp_path: Path,
) -> None:
    url = f"postgresql://nobody@127.0.0.1:{ports.free()}/none"
    done = run("migrate", cwd=tmp_path, CABRANK_DATABASE_URL=url)
    assert_refused(done, saying="can't be migrated")


def test_a_user_for_a_database_that_was_never_migrated_is_refused(
    tmp_path: Path,
) -> None:
    done = run(
        *("user", "add", "ann", "--role", "operator"),
        cwd=tmp_path,
        text="long enough\n",
        CABRANK_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db",
    )
    assert_refused(done, saying="cabrank migrate")
