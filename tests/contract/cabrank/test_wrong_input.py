"""Every command with everything that can be wrong around it: one plain sentence on
standard error, nothing on standard output, exit status 2, and never a traceback. All in
one process of the real command line, since a start costs 0.3 s.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cabrank import main, services
from cabrank.commands import helping
from cabrank.stack import ports
from persistence import revisions
from persistence.identity import keyfiles

PROGRAM = """
import contextlib, io, json, os, sys
from cabrank.main import run
started = dict(os.environ)
for case in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(started | case["environ"])
    sys.argv = ["cabrank", *case["arguments"]]
    sys.stdin = io.StringIO("long enough\\n")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = run()
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""

ANSWERED: dict[str, tuple[str, ...]] = {
    "tokens": ("--role", "rider", "--count", "1"),
    "user add": ("ann", "--role", "rider"),
    "user export": ("ann",),
    "user erase": ("ann", "--yes"),
    "user keys": (),
    "user add-key": ("billing",),
    "user revoke": ("billing",),
    "say": ("room", "text"),
    "notify": ("ann", "{}"),
    "top": ("--once",),
    "simulate": ("--duration", "0.1", "--riders", "1", "--drivers", "1"),
    "chaos": ("--duration", "0", "--count", "1"),
    "nats-auth": ("auth",),
    "secrets": ("secrets",),
    "bench lifecycle": ("--duration", "0.1"),
}
"""What a command needs besides to have anything to do."""
DATA_DIR = (
    *("tokens", "user add", "user export", "user erase", "audit", "keys list"),
    *("keys rotate", "keys retire", "say", "notify", "simulate", "restart", "top"),
    *("verify", "rebuild", "doctor", "user keys", "user add-key", "user revoke"),
)
"""Those with --data-dir that work on what `up` has made there."""
DATABASE = (
    *("tokens", "user add", "user export", "audit", "migrate", "up"),
    *("user keys", "user add-key"),
)
NATS = ("verify", "rebuild", "user erase", "user revoke")
URL = ("say", "notify", "simulate", "bench lifecycle", "bench chat")
WRITES = {
    "up": ("--port", "0", "--data-dir"),
    "demo": ("--port", "0", "--data-dir"),
    "nats-auth": (),
    "secrets": (),
    "top": ("--once", "--metrics", "http://127.0.0.1:1", "--svg"),
    "chaos": ("--duration", "0", "--work-dir"),
    **{
        f"bench {name}": ("--plot",)
        for name in ("lifecycle", "fanout", "flood", "connections", "locations")
    },
    "bench scale": ("--to",),
}
"""The options before the place that a command writes to."""
NOWHERE = ("file/below", "/proc/below", "/nowhere/at/all\0")
Case = tuple[list[str], dict[str, str], str]


def leaves(group: Any, path: list[str]) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, [*path, name])
        else:
            yield " ".join([*path, name]), command


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    main._add_trial_commands(["--help"])
    return dict(leaves(typer.main.get_command(main.app), []))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a file, a data directory that somebody broke, a good one where nobody runs
    any more, and one whose database is none.
    """
    (tmp_path / "file").write_text("")
    for name in ("broken", "stopped", "corrupt"):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "keys").mkdir(mode=0o700)
    (tmp_path / "broken" / "stack.json").write_text('{"nats_port": "x", "url": 5}')
    state = {"nats_port": ports.free(), "url": f"http://127.0.0.1:{ports.free()}"}
    for name in ("stopped", "corrupt"):
        keyfiles.ensure(
            tmp_path / name / "keys/signing.pem", tmp_path / name / "keys/jwks.json"
        )
        (tmp_path / name / "stack.json").write_text(json.dumps(state))
    revisions.migrate(f"sqlite:///{tmp_path}/stopped/cabrank.db")
    (tmp_path / "corrupt" / "cabrank.db").write_text("this is no database " * 99)
    return tmp_path


def words(name: str) -> list[str]:
    return [*name.split(), *ANSWERED.get(name, ())]


def surroundings(folder: Path) -> Iterator[Case]:
    """Arguments, settings, and a word that the sentence must have."""
    for name in DATA_DIR:
        for wrong in ("nowhere", "file"):
            saying = f"{wrong}"
            if name != "doctor":
                yield [*words(name), "--data-dir", wrong], {}, saying
        if name not in {"restart", "top", "doctor"}:  # which don't refuse it
            yield [*words(name), "--data-dir", "broken"], {}, ""
    dead = f"postgresql://nobody@127.0.0.1:{ports.free()}/none"
    for name in DATABASE:
        more = ["--port", "0", "--data-dir", "fresh"] if name == "up" else []
        yield [*words(name), *more], {"CABRANK_DATABASE_URL": dead}, "database"
        if name not in {"up", "migrate"}:
            yield [*words(name), "--data-dir", "corrupt"], {}, "database"
    for name in NATS:
        yield [*words(name), "--data-dir", "stopped"], {}, "NATS"
    for url in (f"http://127.0.0.1:{ports.free()}", "http://nobody.invalid"):
        for name in URL:
            yield [*words(name), "--url", url], {"CABRANK_TOKEN": "x"}, url
    for url in ("ftp://here", "here", "http://[", "http://127.0.0.1:99999", ""):
        for name in URL:
            yield [*words(name), "--url", url], {"CABRANK_TOKEN": "x"}, "URL"
    for name in ("say", "notify", "simulate"):
        yield [*words(name), "--data-dir", "stopped"], {}, "http://127.0.0.1:"
    for name, before in WRITES.items():
        for place in NOWHERE[:2]:
            yield [*name.split(), *before, place], {}, "can't be"


def numbers(commands: dict[str, Any]) -> Iterator[Case]:
    """Each option that is a number, with what is none, or none that it could be."""
    for name, command in commands.items():
        for option in command.params:
            kind = str(option.type_descriptor.annotation)
            if "int" not in kind and "float" not in kind:
                continue
            beyond = "9" * 30 if "int" in kind else "inf"
            for text in ("x", "-1", beyond) if option.name != "seed" else ("x",):
                yield [*words(name), option.opts[0], text], {}, option.opts[0]


def spoken(folder: Path, cases: list[Case]) -> list[tuple[Any, str, str]]:
    sent = [{"arguments": args, "environ": more} for args, more, _ in cases]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(sent),
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def assert_all_refused(folder: Path, cases: list[Case]) -> None:
    wrong = []
    for (arguments, environ, saying), (status, out, err) in zip(
        cases, spoken(folder, cases), strict=True
    ):
        good = status == 2 and out == "" and err.count("\n") == 1 and saying in err
        good = good and err.strip()[-1] in ".?" and "Http" not in err
        if not good or "Traceback" in err or "Errno" in err:
            wrong.append((arguments, environ, saying, status, out[:200], err[-400:]))
    assert wrong == []


@pytest.mark.timeout(300)
def test_what_is_wrong_around_a_command_is_told_in_one_sentence(folder: Path) -> None:
    assert_all_refused(folder, list(surroundings(folder)))


@pytest.mark.timeout(300)
def test_a_number_that_is_none_is_told_in_one_sentence(
    folder: Path, commands: dict[str, Any]
) -> None:
    cases = list(numbers(commands))
    assert len(cases) > 100
    assert_all_refused(folder, cases)


@pytest.mark.timeout(300)
def test_every_command_names_the_setting_nearest_to_a_mistyped_one(
    folder: Path, commands: dict[str, Any]
) -> None:
    environ = {"CABRANK_OFER_TTL_S": "9", "CABRANK_NATS_URL": "nats://127.0.0.1:1"}
    loud = [name for name in commands if name not in services.NAMES]
    cases = [([*name.split(), "--help"], environ, "") for name in loud]
    cases += [(["migrate"], {**environ, "CABRANK_DATABASE_URL": "mysql://x"}, "")]
    for (arguments, *_), (_, _, err) in zip(cases, spoken(folder, cases), strict=True):
        first = err.splitlines()[0]
        assert "CABRANK_OFER_TTL_S" in first, arguments
        assert "CABRANK_OFFER_TTL_S" in first, arguments


@pytest.mark.parametrize("service", sorted(services.NAMES))
def test_a_service_logs_it_as_json(service: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cabrank", service],
        cwd=tmp_path,
        env={**os.environ, "CABRANK_POTR": "1", "CABRANK_NATS_URL": "http://none"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = json.loads(done.stderr.splitlines()[0])
    assert said["service"] == service
    assert "the nearest is CABRANK_PORT." in said["what"]


@pytest.mark.timeout(300)
def test_help_cuts_nothing_off_and_has_an_example_of_every_command(
    folder: Path, commands: dict[str, Any]
) -> None:
    groups = ["user", "keys", "bench"]
    names = [*commands, *groups]
    cases = [([*name.split(), "--help"], {}, "") for name in names]
    for name, (status, out, err) in zip(names, spoken(folder, cases), strict=True):
        assert (status, err) == (0, ""), name
        assert f"  Example: {helping.EXAMPLES[name]}\n" in out
        assert [line for line in out.splitlines() if len(line) > 80] == [], name
        assert "..." not in out.replace("[ARGS]...", ""), name


def test_the_help_has_every_command_in_a_group_with_an_example(
    folder: Path, commands: dict[str, Any]
) -> None:
    ((status, out, _),) = spoken(folder, [(["--help"], {}, "")])
    assert status == 0
    assert "\nCommands:" not in out, "a command is in none of helping.GROUPS"
    assert "..." not in out.replace("[ARGS]...", "")
    assert max(map(len, out.splitlines())) <= 80
    for title, names in helping.GROUPS.items():
        section = out.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert "  e.g. cabrank " in section
        assert [name for name in names if f"\n  {name} " not in f"\n{section}"] == []


def test_every_example_is_of_its_command(commands: dict[str, Any]) -> None:
    for name, example in helping.EXAMPLES.items():
        arguments = example.rpartition("cabrank ")[2].split()
        assert arguments[: len(name.split())] == name.split()
        if name in commands:
            params = commands[name].params
            options = {o for p in params for o in (*p.opts, *p.secondary_opts)}
            given = {one for one in arguments if one.startswith("--")}
            assert given <= options, example


def test_variables_of_compose_are_no_mistyped_settings() -> None:
    root = Path(__file__).parents[3]
    text = (root / "compose.yaml").read_text() + (root / "Dockerfile").read_text()
    import re  # noqa: PLC0415

    from runtime import environment  # noqa: PLC0415

    found = set(re.findall(r"\bCABRANK_[A-Z0-9_]+", text))
    assert found
    assert environment.unheard_of(dict.fromkeys(found, "")) == []


def test_nothing_to_retire_is_said(folder: Path) -> None:
    ((status, out, err),) = spoken(
        folder, [(["keys", "retire", "--data-dir", "stopped"], {}, "")]
    )
    assert (status, err) == (0, "")
    assert out == "Nothing to retire: each key signs, or good tokens need it.\n"


def test_a_file_in_the_place_of_a_folder_is_no_data_directory(folder: Path) -> None:
    shutil.rmtree(folder / "broken")
    case: Case = (["up", "--port", "0", "--data-dir", "file"], {}, "can't be made")
    assert_all_refused(folder, [case])


@pytest.mark.parametrize("name", ["user export", "audit --user"])
def test_octets_that_are_no_utf_8_are_told_in_one_sentence(
    name: str, folder: Path
) -> None:
    arguments = [*name.split(), "ann\udcff", "--data-dir", "stopped"]
    assert_all_refused(folder, [(arguments, {}, "UTF-8")])
