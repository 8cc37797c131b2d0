"""A NATS connection, and databases: each on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from persistence import revisions
from runtime import bus as buses
from runtime.bus import Bus
from tests.support import postgres
from tests.support.nats import NatsServer


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Bus]:
    connection = await buses.connect(nats_server.url, "test")
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: postgres.Cluster) -> str:
    """Name of a migrated database to copy, which takes less than to migrate one."""
    name = postgres_cluster.create_database()
    revisions.migrate(postgres_cluster.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with no table in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.db"
        return
    cluster = request.getfixturevalue("postgres_cluster")
    name = cluster.create_database()
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite database."""
    url = f"sqlite:///{tmp_path}/cabrank.db"
    revisions.migrate(url)
    return url


@pytest.fixture
def postgres_url(
    postgres_cluster: postgres.Cluster, migrated_template: str
) -> Iterator[str]:
    """A migrated PostgreSQL database."""
    name = postgres_cluster.create_database(migrated_template)
    yield postgres_cluster.url(name)
    postgres_cluster.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, once of each kind."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url
