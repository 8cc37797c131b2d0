"""`cabrank secrets`: what compose.yaml's containers are given."""

import contextlib
import os
import ssl
import stat
from pathlib import Path

import psycopg.conninfo
import pytest
from cryptography import x509

from tests.contract.cabrank.commands import run

FILES = {
    *("signing/signing.pem", "verify/jwks.json"),
    *("postgres_password", "database_url", "proxy.pem"),
    *("grafana_password", "ca.pem", "nats.pem", "postgres.pem"),
    *("nats/auth.conf", "nats/gateway.nk", "nats/dispatcher.nk"),
    *("nats/persistence.nk", "nats/operator.nk"),
    *("nats/webhooks.nk", "nats/observer.nk"),
}

KEYS = {"signing/signing.pem", "verify/jwks.json"}


def held(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_what_is_missing_is_made_and_what_is_there_stays(tmp_path: Path) -> None:
    made = tmp_path / "secrets"
    assert run("secrets", "secrets", cwd=tmp_path).returncode == 0
    first = held(made)
    assert set(first) == FILES
    (made / "proxy.pem").unlink()
    again = run("secrets", "secrets", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    second = held(made)
    assert second.pop("proxy.pem") != first.pop("proxy.pem")
    assert second == first


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_gets_at_them_but_containers_can_read_them(
    tmp_path: Path,
) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    made = tmp_path / "secrets"
    for folder in (made, made / "nats"):
        assert mode(folder) == 0o700
    for name in FILES - KEYS:
        assert mode(made / name) == 0o444


def test_keys_are_the_containers_group_s_and_nobody_else_s(tmp_path: Path) -> None:
    told = run("secrets", "secrets", cwd=tmp_path).stdout
    made = tmp_path / "secrets"
    if os.geteuid() != 0:
        assert "signing is not the containers' to read" in told
        return
    for name in KEYS:
        assert mode((made / name).parent) == 0o770
    assert [mode(made / name) for name in sorted(KEYS)] == [0o640, 0o644]
    paths = [made / name for name in KEYS]
    assert {p.stat().st_gid for one in paths for p in (one, one.parent)} == {10001}


def test_keys_of_before_they_had_folders_are_kept(tmp_path: Path) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    made = tmp_path / "secrets"
    before = held(made)
    for name in KEYS:
        (made / name).rename(made / Path(name).name)
        (made / name).parent.rmdir()
    again = run("secrets", "secrets", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert held(made) == before


def test_the_services_role_and_the_superuser_have_passwords_of_their_own(
    tmp_path: Path,
) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    url = (tmp_path / "secrets/database_url").read_text()
    parts = psycopg.conninfo.conninfo_to_dict(url)
    password = str(parts.pop("password"))
    assert len(password) >= 32
    assert password != (tmp_path / "secrets/postgres_password").read_text()
    assert parts == {
        "user": "cabrank",
        "host": "postgres",
        "dbname": "cabrank",
        "sslmode": "verify-full",
        "sslrootcert": "/run/secrets/ca.pem",
    }


def test_the_certificate_is_of_the_names_asked_for(tmp_path: Path) -> None:
    names = ("--name", "cabs.example", "--name", "192.0.2.1")
    run("secrets", "secrets", *names, cwd=tmp_path)
    context = ssl.create_default_context(cafile=str(tmp_path / "secrets/proxy.pem"))
    (certificate,) = context.get_ca_certs()
    assert certificate["subjectAltName"] == (
        ("DNS", "cabs.example"),
        ("IP Address", "192.0.2.1"),
    )


def test_an_authority_that_is_gone_cannot_sign_anew(tmp_path: Path) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    made = tmp_path / "secrets"
    before = held(made)
    (made / "nats.pem").unlink()
    done = run("secrets", "secrets", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "secrets/nats.pem is missing" in done.stderr
    for name in ("ca.pem", "postgres.pem"):
        (made / name).unlink()
    assert run("secrets", "secrets", cwd=tmp_path).returncode == 0
    after = held(made)
    changed = {name for name in FILES if before[name] != after[name]}
    assert changed == {"ca.pem", "nats.pem", "postgres.pem"}


def test_no_key_of_the_authority_is_kept(tmp_path: Path) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    assert b"PRIVATE KEY" not in (tmp_path / "secrets/ca.pem").read_bytes()


@pytest.mark.parametrize(
    ("file", "trusted", "names"),
    [
        ("nats.pem", "ca.pem", ["nats", "nats-2", "nats-3"]),
        ("postgres.pem", "ca.pem", ["postgres"]),
        ("proxy.pem", "proxy.pem", ["localhost"]),
    ],
)
def test_even_a_strict_client_takes_the_certificates(
    tmp_path: Path, file: str, trusted: str, names: list[str]
) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "secrets" / file)
    asking = ssl.create_default_context(cafile=str(tmp_path / "secrets" / trusted))
    asking.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    for name in names:
        shake_hands(serving, asking, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(serving, asking, "gateway")


def test_only_nats_may_show_its_certificate_as_a_client(tmp_path: Path) -> None:
    """As the servers of a cluster do to each other."""
    run("secrets", "secrets", cwd=tmp_path)
    asking = ssl.create_default_context(cafile=str(tmp_path / "secrets/ca.pem"))
    serving = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "secrets/ca.pem")
    )
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(tmp_path / "secrets/nats.pem")
    asking.load_cert_chain(tmp_path / "secrets/nats.pem")
    shake_hands(serving, asking, "nats")
    asking.load_cert_chain(tmp_path / "secrets/postgres.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake_hands(serving, asking, "nats")


def shake_hands(serving: ssl.SSLContext, asking: ssl.SSLContext, name: str) -> None:
    """Raises: SSLError: one doesn't trust the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    client = asking.wrap_bio(to_client, to_server, server_hostname=name)
    left = [client, server]
    for _ in range(10):
        for side in list(left):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                left.remove(side)
    assert not left


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("secrets", "file/secrets", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "file/secrets" in done.stderr


@pytest.mark.parametrize(
    "name", ["", "a b", "münchen.example", "-a.example", "a..b", "x" * 64, "a." * 127]
)
def test_what_is_no_host_name_is_refused_in_a_sentence(
    tmp_path: Path, name: str
) -> None:
    done = run("secrets", "secrets", "--name", name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is no name of a host" in done.stderr
    assert not (tmp_path / "secrets").exists()


def test_any_host_name_or_address_gets_a_certificate(tmp_path: Path) -> None:
    long = ".".join(["part-of-a-name"] * 6)
    names = [long, "*.cab_rank.example", "192.0.2.1", "2001:db8::1"]
    options = [part for name in names for part in ("--name", name)]
    assert run("secrets", "secrets", *options, cwd=tmp_path).returncode == 0
    pem = (tmp_path / "secrets" / "proxy.pem").read_bytes()
    found = x509.load_pem_x509_certificate(pem)
    told = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert told.value.get_values_for_type(x509.DNSName) == names[:2]
    addresses = told.value.get_values_for_type(x509.IPAddress)
    assert list(map(str, addresses)) == names[2:]
