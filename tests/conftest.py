import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from xdist.remote import Producer

from tests.lanes import Lanes
from tests.support import nats

# On a busy machine an example may take any time; pytest's own limit stands.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")
# Nor may a request be given up after httpx's 5 s.
for phase in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, phase, 30.0)


# Under nohup it is ignored, and would be by all that tests start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    return Lanes(config, log)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[nats.NatsServer]:
    with nats.running(tmp_path) as server:
        yield server


# Else each process of a test, and there are thousands, compiles all that it imports.
# Before xdist starts its workers, which inherit it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

OTHERS = ("CABRANK_", "OTEL_", "PG")
"""What begins so means something to what is tested: ours, OpenTelemetry's, libpq's."""
OTHER = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "columns"}
OTHER |= {"force_color", "no_color", "clicolor", "clicolor_force", "lines"}


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_whoever_runs_them(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """No test, and no process that one starts, sees the environment of a developer, or
    the data of the system that they run in this folder: settings' defaults look into
    the working directory, which is an empty one.
    """
    for name in list(os.environ):
        if name.startswith(OTHERS) or name.lower() in OTHER:
            del os.environ[name]
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)
