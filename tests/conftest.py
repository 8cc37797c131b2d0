import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests.lanes import Lanes
from tests.support import nats

# On a busy machine an example may take any time; pytest's own limit stands.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


# Under nohup it is ignored, and would be by all that tests start.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    return Lanes(config, log)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[nats.NatsServer]:
    with nats.running(tmp_path) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("CABRANK_"):
            del os.environ[name]
