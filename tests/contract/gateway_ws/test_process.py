"""The gateway as a process: how it starts, ends, and says that it can't."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.trips import Role
from tests.contract.gateway_ws.conftest import World
from tests.support import client, nats
from tests.support.tokens import Tokens

PROGRAM = (
    "import sys; from gateway import main; from runtime import environment;"
    "sys.exit(main.run(environment.load()))"
)


@contextlib.contextmanager
def gateway(
    directory: Path, tokens: Tokens, **settings: str
) -> Iterator["subprocess.Popen[str]"]:
    """A gateway process that listens."""
    keys = directory / "jwks.json"
    keys.write_bytes(tokens.jwks)
    environ = {"CABRANK_VERIFY_KEYS_FILE": str(keys), **settings}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if '"listening"' in line:
                break
        else:
            pytest.fail("the gateway ended before it listened")
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_sigterm_closes_sessions_with_4002_and_ends_with_0(
    world: World, tmp_path: Path
) -> None:
    await world.leader.listen()
    port = str(nats.free_port())
    settings = {"CABRANK_PORT": port, "CABRANK_NATS_URL": world.nats.url}
    with gateway(tmp_path, world.tokens, **settings) as process:
        token = world.tokens.issue(role=Role.RIDER)
        session, _ = await client.welcomed(f"http://127.0.0.1:{port}", token)
        process.send_signal(signal.SIGTERM)
        assert await session.closed() == 4002
        assert process.wait(20) == 0


def ended(directory: Path, **settings: str) -> tuple[int, str]:
    """(status, standard error) of a gateway that can't start."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_taken_port_is_one_plain_line_and_status_1(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_bytes(Tokens().jwks)
    with contextlib.closing(nats.socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, text = ended(
            tmp_path, CABRANK_PORT=port, CABRANK_VERIFY_KEYS_FILE=str(keys)
        )
    assert status == 1
    assert len(text.splitlines()) == 1
    assert port in text
    assert "Traceback" not in text
