"""A real Prometheus (Debian's package) that scrapes one `cabrank up`."""

import contextlib
import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.nats import free_port

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "observe" / "prometheus"
START_S = 60
MISSING = "Prometheus (prometheus, promtool) is not on PATH: make packages"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(MISSING, pytrace=False)
    return found


class Prometheus:
    """With the configuration for `cabrank up`, each second instead of every five."""

    def __init__(self, directory: Path, data_dir: Path) -> None:
        directory.mkdir()
        text = (CONFIG / "local.yml").read_text()
        for ours, here in (
            ("../../../.cabrank", str(data_dir)),
            ("interval: 5s", "interval: 1s"),
            ("[rules.yml, alerts.yml]", f"[{CONFIG}/rules.yml, {CONFIG}/alerts.yml]"),
        ):
            assert ours in text
            text = text.replace(ours, here)
        (directory / "prometheus.yml").write_text(text)
        self._directory = directory
        self.url = f"http://127.0.0.1:{free_port()}"

    @contextlib.contextmanager
    def running(self) -> Iterator["Prometheus"]:
        log = self._directory / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._directory}/prometheus.yml",
                    f"--storage.tsdb.path={self._directory}/data",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=out,
                stderr=out,
            )
        try:
            deadline = time.monotonic() + START_S
            while not self._is_ready():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield self
        finally:
            process.kill()
            process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                return True
        except OSError:
            return False

    def ask(self, path: str, **query: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def has_data(self, query: str) -> bool:
        """Whether a query returns a number."""
        result = self.ask("query", query=query)["result"]
        return any(math.isfinite(float(one["value"][1])) for one in result)

    def alerts(self) -> list[dict[str, Any]]:
        groups = self.ask("rules", type="alert")["groups"]
        return [rule for group in groups for rule in group["rules"]]
