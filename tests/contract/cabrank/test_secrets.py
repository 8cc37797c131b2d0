"""`cabrank secrets`: what compose.yaml's containers are given."""

import ssl
import stat
from pathlib import Path

import psycopg.conninfo

from tests.contract.cabrank.commands import run

FILES = {
    *("signing.pem", "jwks.json", "postgres_password", "database_url", "proxy.pem"),
    "grafana_password",
    *("nats/auth.conf", "nats/gateway.nk", "nats/dispatcher.nk"),
    *("nats/persistence.nk", "nats/operator.nk"),
}


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


def test_only_its_owner_gets_at_them_but_containers_can_read_them(
    tmp_path: Path,
) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    made = tmp_path / "secrets"
    for folder in (made, made / "nats"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in FILES:
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o444


def test_the_database_url_has_the_password(tmp_path: Path) -> None:
    run("secrets", "secrets", cwd=tmp_path)
    password = (tmp_path / "secrets/postgres_password").read_text()
    assert len(password) >= 32
    url = (tmp_path / "secrets/database_url").read_text()
    parts = psycopg.conninfo.conninfo_to_dict(url)
    assert parts == {
        "user": "cabrank",
        "password": password,
        "host": "postgres",
        "dbname": "cabrank",
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


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("secrets", "file/secrets", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "file/secrets" in done.stderr
