"""NATS, PostgreSQL and the whole of compose.yaml, as containers; where no engine is,
the first two as local processes.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.community.nats import NatsContainer
from testcontainers.community.postgres import PostgresContainer

from tests.containers.machine import NONE, REQUIRED, has_engine, image
from tests.containers.site import Site
from tests.support import nats, postgres

CONFIG = Path(__file__).with_name("nats.conf")
NATS = "nats:2.15-alpine"
POSTGRES = "postgres:17-alpine"
"""compose.yaml's."""
NEEDED = ("proxy", "dispatcher", "persistence", "nats-2", "nats-3", "prometheus")
"""What a site with both profiles needs for a trip, besides what these need."""

_sites: list[Site] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.containers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not any(
        "tests/containers/" in report.nodeid
        for reports in terminalreporter.stats.values()
        for report in reports
        if hasattr(report, "nodeid")
    ):
        return
    if not REQUIRED and not has_engine():
        terminalreporter.write_line(f"containers: {NONE}")
    for site in _sites:
        terminalreporter.write_line(f"containers: up --wait took {site.up_s:.1f} s")


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS server with JetStream that syncs always."""
    if not has_engine():
        with nats.running(tmp_path_factory.mktemp("nats")) as server:
            yield server.url
        return
    container = NatsContainer(image("NATS", NATS))
    container.with_volume_mapping(str(CONFIG), "/nats.conf")
    container.with_command("--config /nats.conf")
    with container:
        yield container.nats_uri()


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """An empty database of a PostgreSQL server."""
    if not has_engine():
        with postgres.running() as cluster:
            yield cluster.url(cluster.create_database())
        return
    container = PostgresContainer(image("POSTGRES", POSTGRES), driver=None)
    with container:
        yield container.get_connection_url()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """compose.yaml, up; its image was built before (make containers)."""
    if not has_engine():
        pytest.skip(NONE)
    made = Site(tmp_path_factory.mktemp("site"))
    _sites.append(made)
    with _up(made):
        yield made


@pytest.fixture(scope="module")
def clustered_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With three NATS servers and Prometheus, and a file of settings. (Of Grafana and
    the collector there are no stand-ins.)
    """
    if not has_engine():
        pytest.skip(NONE)
    directory = tmp_path_factory.mktemp("clustered")
    file = directory / "settings"
    file.write_text("CABRANK_REQUEST_TTL_S=299\n")
    profiles = ("--profile", "cluster", "--profile", "observe")
    made = Site(directory, "--env-file", str(file), *profiles)
    with _up(made, *NEEDED):
        yield made


@contextlib.contextmanager
def _up(site: Site, *services: str) -> Iterator[None]:
    try:
        site.start(*services)
        yield
    finally:
        with contextlib.suppress(AssertionError):
            site.stop()
