"""`cabrank streams` against a real nats-server, and as the runbook says it."""

import asyncio
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from runtime import bus as buses
from runtime import streams as runtime_streams
from runtime.ledger import UNREACHABLE, open_ledger
from schemas import streams
from tests.contract.cabrank.commands import Shell, assert_refused, run
from tests.support import nats
from tests.support.waiting import until_is, until_true

RUNBOOK = Path(__file__).parents[3] / "docs" / "RUNBOOK.md"
MIB = 1024 * 1024
LIMIT_S = 40
"""An election takes 4 to 9 s, more where the machine is busy."""


async def made(url: str, *, replicas: int = 1) -> None:
    """A region's ledger with two records, and a stream of another kind."""
    bus = await buses.connect(url, "test")
    js = bus.jetstream()
    try:
        ledger = await open_ledger(
            js, "main", bytes_max=64 * MIB, replicas=replicas, first_seq=7
        )
        for _ in range(2):
            await js.publish(ledger.subject, b"{}")
        await runtime_streams.ensure(js, streams.revocations(900))
    finally:
        await bus.close()


def told(cwd: Path, url: str, *arguments: str) -> dict[str, dict[str, object]]:
    done = run("streams", "--json", *arguments, cwd=cwd, CABRANK_NATS_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    return read(done.stdout)


def read(said: str) -> dict[str, dict[str, object]]:
    rows = [json.loads(line) for line in said.splitlines()]
    return {row["stream"]: row for row in rows}


async def test_it_lists_every_stream_with_size_limit_leader_and_copies(
    tmp_path: Path, nats_server: nats.NatsServer
) -> None:
    await made(nats_server.url)
    rows = told(tmp_path, nats_server.url)
    assert sorted(rows) == ["LEDGER_main", "REVOCATIONS"]
    ledger = rows["LEDGER_main"]
    assert (ledger["messages"], ledger["first_seq"], ledger["last_seq"]) == (2, 7, 8)
    assert ledger["limit_bytes"] == 64 * MIB
    assert (ledger["copies"], ledger["replicas"]) == (1, 1)
    assert ledger["leader"]
    assert rows["REVOCATIONS"]["limit_bytes"] is None
    done = run("streams", cwd=tmp_path, CABRANK_NATS_URL=nats_server.url)
    heading, first, _ = done.stdout.splitlines()
    assert heading.split() == [
        "stream",
        "messages",
        "from",
        "to",
        "MiB",
        "limit",
        "leader",
        "copies",
    ]
    assert first.split()[:4] == ["LEDGER_main", "2", "7", "8"]
    assert first.endswith("1 of 1")


async def test_copies_that_are_not_current_and_a_lost_quorum_are_seen(
    tmp_path: Path,
) -> None:
    with nats.cluster(tmp_path) as servers:

        async def asked(*words: str) -> subprocess.CompletedProcess[str]:
            url = {"CABRANK_NATS_URL": servers.url}
            return await asyncio.to_thread(run, "streams", *words, cwd=tmp_path, **url)

        async def is_made() -> bool:
            try:
                await made(servers.url, replicas=3)
            except UNREACHABLE:  # it has no leader yet
                return False
            return True

        async def copies() -> object:
            done = await asked("--json")
            if done.returncode:  # between two leaders
                return None
            rows = read(done.stdout)
            return rows["LEDGER_main"]["copies"] if "LEDGER_main" in rows else None

        await until_true(is_made, "a ledger", LIMIT_S)
        await until_is(copies, lambda seen: seen == 3, LIMIT_S)
        servers.kill(2)
        await until_is(copies, lambda seen: seen == 2, LIMIT_S)
        # With two of three gone nobody can say anything, once the third has noticed.
        servers.kill(3)

        done = await until_is(asked, lambda one: one.returncode != 0, LIMIT_S)
        # What is left says so at first, and then nothing any more.
        unavailable = "NATS refuses LIST: JetStream system temporarily unavailable"
        silent = "The NATS server stopped answering"
        assert_refused(done, saying=silent if silent in done.stderr else unavailable)


async def test_a_ledger_s_limit_is_set_and_nothing_else_of_it_changes(
    tmp_path: Path, nats_server: nats.NatsServer
) -> None:
    await made(nats_server.url)
    bus = await buses.connect(nats_server.url, "test")
    before = (await bus.jetstream().stream_info("LEDGER_main")).config
    for said, kept in (("2000000000", 2_000_000_000), ("0", None)):
        words = ("--region", "main", "--max-bytes", said)
        (row,) = told(tmp_path, nats_server.url, *words).values()
        assert (row["stream"], row["limit_bytes"]) == ("LEDGER_main", kept)
    after = (await bus.jetstream().stream_info("LEDGER_main")).config
    await bus.close()
    assert after.evolve(max_bytes=before.max_bytes) == before


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["--region", "main"], "go together"),
        (["--max-bytes", "0"], "go together"),
        (["--region", "main", "--max-bytes", "5"], "1,048,576 at least"),
        (["--region", "a.b", "--max-bytes", "0"], "--region 'a.b' is not"),
        (["--region", "nowhere", "--max-bytes", "0"], "stream not found"),
    ],
)
def test_what_cant_be_is_one_sentence(
    shell: Shell, nats_server: nats.NatsServer, words: list[str], saying: str
) -> None:
    shell.set(CABRANK_NATS_URL=nats_server.url)
    assert_refused(shell.run("streams", *words), saying=saying)


def test_where_nobody_answers_is_one_sentence(shell: Shell) -> None:
    shell.set(CABRANK_NATS_URL="nats://127.0.0.1:9")
    assert_refused(shell.run("streams"), saying="No NATS server answers")


async def test_every_command_about_streams_of_the_runbook_does_what_it_says(
    tmp_path: Path, nats_server: nats.NatsServer
) -> None:
    await made(nats_server.url)
    page = RUNBOOK.read_text()
    spans = re.findall(
        r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    )
    blocks = re.findall(r"^(cabrank streams.*?)(?:\s+#.*)?$", page, re.MULTILINE)
    said = {" ".join(one.split()) for one in [*spans, *blocks]}
    commands = sorted(one for one in said if one.startswith("cabrank streams"))
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)[1:]
        done = run(*words, cwd=tmp_path, CABRANK_NATS_URL=nats_server.url)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert "LEDGER_main" in done.stdout
    assert not [one for one in said if re.match(r"nats (stream|object|consumer)", one)]
