"""compose.yaml brought up as a project of its own, and what a test does to it."""

import json
import os
import signal
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.containers.machine import ENVIRON
from tests.support.nats import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 110
"""For one command; a test has 120 s. Measured: 10 to 25 s for the whole stack."""
IMAGE = "cabrank:latest"


class SiteError(AssertionError):
    pass


def run(
    *command: str, environ: dict[str, str] | None = None, limit_s: float = LIMIT_S
) -> str:
    """Its standard output.

    Raises:
        SiteError: it failed.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        cwd=REPOSITORY,
        env=environ or ENVIRON,
    )
    if done.returncode:
        said = done.stdout[-2000:] + done.stderr[-4000:]
        raise SiteError(f"{' '.join(command)}: {said}")
    return done.stdout


class Site:
    """`url` is the proxy's; `secrets` holds what `cabrank secrets` made. `options`: of
    `docker compose` for every command.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        self._options = options
        self.secrets = directory / "secrets"
        self.up_s = 0.0
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        self._plain_port = free_port()
        # Free ports for what publishes some only in a profile, too.
        self.environ = {
            **ENVIRON,
            "COMPOSE_PROJECT_NAME": f"cabrank-{os.getpid()}-{port}",
            "CABRANK_SECRETS": str(self.secrets),
            "CABRANK_HTTPS_PORT": str(port),
            "CABRANK_HTTP_PORT": str(self._plain_port),
            "CABRANK_PROMETHEUS_PORT": str(free_port()),
        }

    @property
    def plain_url(self) -> str:
        return f"http://127.0.0.1:{self._plain_port}"

    def compose(self, *arguments: str) -> str:
        command = ("docker", "compose", *self._options, *arguments)
        return run(*command, environ=self.environ)

    def start(self, *services: str) -> None:
        """Those and what they need; all, where none is named."""
        self.secrets.mkdir()
        self.compose("run", "--rm", "--no-deps", "secrets")
        began = time.monotonic()
        self.up(*services)
        self.up_s = time.monotonic() - began

    def up(self, *arguments: str) -> None:
        try:
            self.compose("up", "--wait", *arguments)
        except SiteError as error:
            logs = self.compose("logs", "--tail", "40")
            raise SiteError(f"{error}\n{logs[-8000:]}") from None

    def stop(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")

    def tls(self) -> ssl.SSLContext:
        """What trusts the proxy's certificate and no other."""
        return ssl.create_default_context(cafile=str(self.secrets / "proxy.pem"))

    def operate(self, *command: str) -> str:
        """What a command of `cabrank` prints that an operator runs.

        Raises:
            SiteError: it failed.
        """
        return self.compose("run", "--rm", "-T", "operator", *command)

    # ---- containers ------------------------------------------------------------

    def containers(self, service: str) -> list[str]:
        """Their ids, those that don't run left out."""
        return self.compose("ps", "--quiet", service).split()

    def facts(self, container: str) -> Any:
        """As `docker inspect` tells them."""
        return json.loads(run("docker", "inspect", container))[0]

    def execute(self, container: str, *command: str) -> str:
        return run("docker", "exec", container, *command)

    def crash(self, container: str) -> None:
        """The process dies as if by itself, so that the restart policy holds. (After
        `docker kill` it doesn't: the engine takes that for a wish.)
        """
        if os.geteuid() != 0:
            pytest.skip("a process in a container is root's to kill")
        os.kill(self.facts(container)["State"]["Pid"], signal.SIGKILL)

    def ready_gateways(self) -> int:
        """How many the proxy sends clients to."""
        proxy = self.containers("proxy")[0]
        page = self.execute(
            proxy, "wget", "-q", "-O", "-", "http://127.0.0.1:8404/metrics"
        )
        up = [
            line
            for line in page.splitlines()
            if line.startswith('haproxy_server_status{proxy="gateways"')
            and 'state="UP"' in line
            and line.endswith(" 1")
        ]
        return len(up)

    def memory_bytes(self) -> dict[str, int]:
        """What each container uses, by its name without the project's."""
        ids = self.compose("ps", "--quiet").split()
        lines = run("docker", "stats", "--no-stream", "--format", "{{json .}}", *ids)
        found = {}
        for line in lines.splitlines():
            row = json.loads(line)
            name = row["Name"].removeprefix(self.environ["COMPOSE_PROJECT_NAME"] + "-")
            found[name] = _bytes(row["MemUsage"].partition(" / ")[0])
        return found


def _bytes(text: str) -> int:
    """`12.3MiB` → 12897484."""
    units = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
    unit = next(unit for unit in units if text.endswith(unit))
    return round(float(text.removesuffix(unit)) * units[unit])
