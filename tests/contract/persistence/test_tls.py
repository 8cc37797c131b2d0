"""PostgreSQL over TLS by the database URL, as docs/NATS.md tells."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from persistence import database, revisions
from tests.support.certificates import Authority
from tests.support.postgres import Cluster

IS_ENCRYPTED = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


class Encrypted:
    """A PostgreSQL that takes TLS alone; `ca` has signed its certificate."""

    def __init__(self, directory: Path, address: str) -> None:
        self.cluster = Cluster(directory)
        self.authority = Authority(directory)
        certificate, key = self.authority.issue("server", address=address)
        data = directory / "data"
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for file in (certificate, key):
                os.chown(file, user.pw_uid, user.pw_gid)
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(
                f"\nssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"
            )
        everybody = "hostssl all all 127.0.0.1/32 trust\n"
        (data / "pg_hba.conf").write_text(everybody)
        self.cluster.start()

    def url(self, ca: Path, mode: str = "verify-full") -> str:
        base = self.cluster.url("postgres")
        return f"{base}?sslmode={mode}&sslrootcert={ca}"


@pytest.fixture
def directory() -> Iterator[Path]:
    # Not pytest's own, into which the user postgres can't look.
    with tempfile.TemporaryDirectory(prefix="cabrank-tls-") as made:
        yield Path(made)


def _refusal(url: str) -> str:
    engine = database.plain_engine(url)
    try:
        with pytest.raises(OperationalError) as raised:
            engine.connect()
    finally:
        engine.dispose()
    return str(raised.value)


async def test_all_connections_are_encrypted_and_the_server_is_known(
    directory: Path, tmp_path: Path
) -> None:
    server = Encrypted(directory, "127.0.0.1")
    try:
        url = server.url(server.authority.ca)
        revisions.migrate(url)
        plain = database.plain_engine(url)
        with plain.connect() as connection:
            assert connection.execute(IS_ENCRYPTED).scalar_one() is True
        plain.dispose()
        made = database.engine(url)
        async with made.connect() as asynchronous:
            assert (await asynchronous.execute(IS_ENCRYPTED)).scalar_one() is True
        await made.dispose()
        stranger = server.url(Authority(tmp_path, "other").ca)
        assert "certificate verify failed" in _refusal(stranger)
        assert "no encryption" in _refusal(server.url(server.authority.ca, "disable"))
    finally:
        server.cluster.stop("immediate")


async def test_another_host_s_certificate_is_refused(directory: Path) -> None:
    server = Encrypted(directory, "192.0.2.1")
    try:
        assert "does not match host name" in _refusal(server.url(server.authority.ca))
    finally:
        server.cluster.stop("immediate")
