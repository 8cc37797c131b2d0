"""Inside compose.yaml nobody is talked to in the clear."""

import asyncio
import json

from tests.containers.site import Site
from tests.support.waiting import until_is

LIMIT_S = 60
GREETED = """
import socket
with socket.create_connection(("nats", 4222), 10) as plain:
    told = plain.recv(4096)
    plain.sendall(b'CONNECT {"verbose":false}\\r\\nPING\\r\\n')
    try:
        while part := plain.recv(4096):
            told += part
    except ConnectionResetError:
        pass
print(told.decode(errors="replace"))
"""
"""What a NATS server tells who speaks without TLS, until it hangs up."""
ROUTED = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/run/secrets/ca.pem")
with socket.create_connection((sys.argv[1], 6222), 10) as plain:
    try:
        with context.wrap_socket(plain, server_hostname=sys.argv[1]) as server:
            print(server.recv(4096))
    except ssl.SSLError as error:
        print(error)
"""
ASKED = """
import pathlib, sys
import psycopg
role = {"user": sys.argv[3]} if sys.argv[3] else {}
url = pathlib.Path("/run/secrets/database_url").read_text()
url = url.replace("verify-full", sys.argv[1])
try:
    with psycopg.connect(url, **role) as connection:
        print(connection.execute(sys.argv[2]).fetchone()[0])
except psycopg.OperationalError as error:
    print(error)
"""
MAY_MORE = """
SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
FROM pg_roles WHERE rolname = current_user
"""
ALL_ENCRYPTED = """
SELECT count(*) > 1 AND bool_and(ssl) FROM pg_stat_ssl
JOIN pg_stat_activity USING (pid) WHERE usename = 'cabrank'
"""


def greeted(site: Site) -> str:
    (gateway, *_) = site.containers("gateway")
    return site.execute(gateway, "python3", "-c", GREETED)


def route_without_certificate(site: Site, host: str) -> str:
    """What a server of a cluster answers who takes itself for another."""
    (gateway, *_) = site.containers("gateway")
    return site.execute(gateway, "python3", "-c", ROUTED, host)


def asked(site: Site, mode: str, query: str = "SELECT 1", role: str = "") -> str:
    """The answer to a query by a connection with this sslmode, or why there is none;
    `role`: another than the services'.
    """
    (persistence, *_) = site.containers("persistence")
    return site.execute(persistence, "python3", "-c", ASKED, mode, query, role)


async def test_nats_takes_nobody_without_tls(site: Site) -> None:
    told = await asyncio.to_thread(greeted, site)
    assert '"tls_required":true' in told
    assert "PONG" not in told

    async def connections() -> list[bool]:
        """One of each service at least, by TLS?"""
        page = await asyncio.to_thread(
            site.execute,
            site.containers("nats")[0],
            *("wget", "-q", "-O", "-", "http://127.0.0.1:8222/connz"),
        )
        return ["tls_version" in one for one in json.loads(page)["connections"]]

    by_tls = await until_is(connections, lambda found: len(found) >= 4, LIMIT_S)
    assert all(by_tls)


async def test_postgresql_takes_nobody_without_tls(site: Site) -> None:
    assert "no encryption" in await asyncio.to_thread(asked, site, "disable")

    async def all_encrypted() -> str:
        return (
            await asyncio.to_thread(asked, site, "verify-full", ALL_ENCRYPTED)
        ).strip()

    assert await until_is(all_encrypted, lambda told: told == "True", LIMIT_S)


async def test_the_services_role_owns_its_database_and_may_no_more(site: Site) -> None:
    told = await asyncio.to_thread(asked, site, "verify-full", MAY_MORE)
    assert told.strip() == "False"
    refused = await asyncio.to_thread(asked, site, "verify-full", role="postgres")
    assert "pg_hba.conf rejects connection" in refused
