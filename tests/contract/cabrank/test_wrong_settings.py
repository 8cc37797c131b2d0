"""Every setting, wrong in each way it can be: one plain sentence that names it, and
exit status 2. All in one process of the real command line, since a start costs 0.3 s.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from persistence.identity import keyfiles
from runtime.settings import Settings, variable
from tests.support import nats

PROGRAM = """
import contextlib, io, json, os, sys
from cabrank.main import run
for case in json.load(sys.stdin):
    for name in [name for name in os.environ if name.startswith("CABRANK_")]:
        del os.environ[name]
    os.environ.update(case["environ"])
    sys.argv = ["cabrank", case["command"]]
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            status = run()
        except BaseException as error:
            status = repr(error)
    print(json.dumps([status, said.getvalue()]))
"""

MISSING = "/nowhere/at/all"
NONSENSE = "not:/what\x7fit should be"

WRONG: dict[str, list[tuple[str, str]]] = {
    "nats_url": [
        ("gateway", ""),
        ("gateway", "http://here"),
        ("dispatcher", "nats://"),
        ("persistence", "nats://here:port"),
        ("gateway", "nats://here:0"),
        ("gateway", "ws://here:8080"),
        ("doctor", "nats://a:1,,nats://b:2"),
    ],
    "database_url": [
        ("persistence", "mysql://here/there"),
        ("persistence", "sqlite://"),
        ("persistence", ""),
        ("persistence", "sqlite:///{directory}"),
        ("persistence", "sqlite:///{nonsense}"),
        ("persistence", "postgresql://here:port/x"),
        ("persistence", "postgresql://here:99999/x"),
        ("persistence", "postgresql://here/x?port=abc"),
        ("migrate", "postgresql://here/x?host=a,b&port=1"),
        ("migrate", "postgresql://here/x?port=99999"),
        ("migrate", "sqlite:////dev/null"),
        ("persistence", "postgresql://here/x?sslmode=perhaps"),
        ("persistence", "postgresql://here/x?unheard=of"),
        ("persistence", "postgresql://here/x?sslrootcert=/nowhere/at/all"),
        ("migrate", "sqlite:///"),
        ("migrate", "sqlite:///{nonsense}"),
        ("migrate", "postgresql://here/x?sslmode=perhaps"),
    ],
    "host": [("gateway", "no host"), ("gateway", "192.0.2.1"), ("gateway", "x" * 300)],
    "listen_fds": [("gateway", "999999"), ("gateway", "9" * 30)],
    "regions": [
        ("dispatcher", ""),
        ("dispatcher", " , "),
        ("dispatcher", "a.b"),
        ("dispatcher", "a,b,a"),
    ],
    "matching": [
        ("dispatcher", "farthest"),
        ("dispatcher", "nearest,oslo"),
        ("dispatcher", "oslo=farthest"),
    ],
    "origins": [
        ("gateway", "app.example"),
        ("gateway", "https://app.example/page"),
        ("gateway", "https://app example"),
    ],
    "map_style_url": [
        ("gateway", "tiles.example/style.json"),
        ("gateway", "/nowhere/at/all.pmtiles"),
        ("gateway", "/etc/hostname"),
        ("gateway", "{directory}/.pmtiles"),
        ("gateway", "file:///srv/city.pmtiles"),
        ("gateway", "https://tiles.example"),
        ("gateway", "ftp://tiles.example/style.json"),
        ("gateway", "https://me:secret@tiles.example/style.json"),
        ("gateway", "https://tiles.example; script-src */style.json"),
        ("gateway", "https://tiles.example/style json"),
        ("gateway", "https:///style.json"),
        ("gateway", "https://tiles.example:99999/style.json"),
    ],
    "metrics_urls": [
        ("top", "gateway:9000"),
        ("top", "http://gateway:9000,http://"),
    ],
    "otel_endpoint": [
        ("gateway", "collector:4318"),
        ("dispatcher", "http://"),
        ("persistence", "http://collector:99999"),
        ("gateway", "http://[collector"),
    ],
    "nats_monitoring_urls": [
        ("dispatcher", "nats:8222"),
        ("dispatcher", "http://a:8222,http://:8222"),
        ("doctor", "http://nats:99999"),
        ("dispatcher", "http://[nats"),
    ],
    "trusted_proxies": [("gateway", "proxy.example"), ("persistence", "10.0.0.0/99")],
    "oidc_issuer": [
        ("gateway", "login.example"),
        ("gateway", "http://login.example"),
        ("persistence", "https://login.example/?x=1"),
        ("gateway", "https://[login"),
        ("gateway", "https://login.example:port"),
        ("gateway", "https://login.example/\there"),
    ],
    "oidc_audience": [("gateway", "cabrank")],
    "oidc_roles": [
        *(("gateway", "desk"), ("gateway", "desk=king"), ("gateway", "desk=operator"))
    ],
    "signing_key_file": [("persistence", MISSING), ("persistence", "{nonsense}")],
    "verify_keys_file": [("gateway", MISSING), ("gateway", "{nonsense}")],
    "nats_nkey_seed_file": [
        (service, path)
        for service in ("gateway", "dispatcher", "persistence", "webhooks")
        for path in (MISSING, "{nonsense}", "{directory}")
    ],
    "nats_credentials_file": [("gateway", MISSING), ("dispatcher", "{nonsense}")],
    "nats_tls_ca": [("gateway", MISSING), ("persistence", "{nonsense}")],
    "nats_tls_cert": [("gateway", MISSING), ("dispatcher", "{nonsense}")],
    "nats_tls_key": [("gateway", MISSING)],
}
"""For texts that may be almost anything: field → (command, what it is set to). What has
another type or a pattern is found out by `_typed`; a new text must come in here."""

TOGETHER: list[tuple[str, dict[str, str], list[str]]] = [
    (
        "gateway",
        {"oidc_issuer": "https://login.example"},
        ["CABRANK_OIDC_ISSUER", "CABRANK_OIDC_AUDIENCE"],
    ),
    (
        "persistence",
        {"access_ttl_s": "900", "refresh_ttl_s": "60"},
        ["CABRANK_REFRESH_TTL_S", "CABRANK_ACCESS_TTL_S"],
    ),
    (
        "gateway",
        {"nats_nkey_seed_file": "a", "nats_credentials_file": "b"},
        ["CABRANK_NATS_NKEY_SEED_FILE", "CABRANK_NATS_CREDENTIALS_FILE"],
    ),
    (
        "gateway",
        {"nats_tls_cert": "a"},
        ["CABRANK_NATS_TLS_CERT", "CABRANK_NATS_TLS_KEY"],
    ),
    (
        "gateway",
        {"nats_tls_key": "a"},
        ["CABRANK_NATS_TLS_KEY", "CABRANK_NATS_TLS_CERT"],
    ),
    (
        "gateway",
        {"port": "8123", "ops_port": "8123"},
        ["CABRANK_PORT", "CABRANK_OPS_PORT"],
    ),
    ("gateway", {"host": "127.0.0.1", "ops_port": "{taken}"}, ["CABRANK_OPS_PORT"]),
    ("dispatcher", {"ops_port": "{taken}"}, ["CABRANK_OPS_PORT"]),
    ("persistence", {"ops_port": "{taken}"}, ["CABRANK_OPS_PORT"]),
    ("dispatcher", {"host": "192.0.2.1", "ops_port": "8123"}, ["CABRANK_OPS_PORT"]),
    (
        "persistence",
        {"database_url": "sqlite:///x.db", "database_url_file": "{nonsense}"},
        ["CABRANK_DATABASE_URL", "CABRANK_DATABASE_URL_FILE"],
    ),
    ("persistence", {"database_url_file": MISSING}, ["CABRANK_DATABASE_URL_FILE"]),
    ("dispatcher", {"nats_url_file": "{directory}"}, ["CABRANK_NATS_URL_FILE"]),
    ("migrate", {"database_url_file": "/dev/zero"}, ["CABRANK_DATABASE_URL_FILE"]),
    ("up", {"request_ttl_s_file": "{nonsense}"}, ["CABRANK_REQUEST_TTL_S"]),
    ("dispatcher", {"booking_lead_s": "-1"}, ["CABRANK_BOOKING_LEAD_S"]),
    ("dispatcher", {"booking_lead_s": "604801"}, ["CABRANK_BOOKING_LEAD_S"]),
]


def _typed() -> list[str]:
    """The fields that not any text is good for."""
    hints = get_type_hints(Settings, include_extras=True)
    found = []
    for field in Settings.__struct_fields__:
        try:
            msgspec.convert(NONSENSE, hints[field], strict=False)
        except msgspec.ValidationError:
            found.append(field)
    return found


def _cases(files: dict[str, str]) -> list[tuple[str, dict[str, str], list[str]]]:
    cases = [("gateway", {field: NONSENSE}, [variable(field)]) for field in _typed()]
    for field, ways in WRONG.items():
        for command, text in ways:
            more = {"nats_tls_cert": "{key}"} if field == "nats_tls_key" else {}
            more |= {"nats_tls_key": "{key}"} if field == "nats_tls_cert" else {}
            cases.append((command, {field: text, **more}, [variable(field)]))
    cases += TOGETHER
    return [
        (
            command,
            {variable(name): text.format(**files) for name, text in given.items()},
            naming,
        )
        for command, given, naming in cases
    ]


@pytest.mark.timeout(300)  # 3 s on an idle machine, once over 100 s at a load of 30
def test_every_wrong_setting_is_told_in_one_sentence_and_status_2(
    tmp_path: Path,
) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("what is this?")
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    files = {"nonsense": str(nonsense), "directory": str(tmp_path), "key": str(key)}
    taken = socket.create_server(("127.0.0.1", 0))
    cases = _cases({**files, "taken": str(taken.getsockname()[1])})
    base = _whole(tmp_path)
    sent: list[dict[str, Any]] = []
    for command, given, _ in cases:
        by_file = {name.removesuffix("_FILE") for name in given}
        kept = {name: v for name, v in base.items() if name not in by_file}
        sent.append({"command": command, "environ": {**kept, **given}})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(sent),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    taken.close()
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for (command, given, naming), (status, said) in zip(cases, answers, strict=True):
        about = (command, given, said)
        assert status == 2, (status, about)
        assert said.count("\n") == 1, about
        assert said.rstrip().endswith("."), about
        assert all(name in said for name in naming), about


def test_the_table_above_has_every_setting() -> None:
    covered = {*WRONG, *_typed()}
    missing = [f for f in Settings.__struct_fields__ if f not in covered]
    assert missing == [], "give WRONG a line about what these can't be"


def _whole(directory: Path) -> dict[str, str]:
    """Settings that are all right, but that nobody answers there."""
    signing, verify = directory / "signing.pem", directory / "jwks.json"
    keyfiles.ensure(signing, verify)
    return {
        "CABRANK_NATS_URL": f"nats://127.0.0.1:{nats.free_port()}",
        "CABRANK_DATABASE_URL": f"sqlite:///{directory}/none.db",
        "CABRANK_SIGNING_KEY_FILE": str(signing),
        "CABRANK_VERIFY_KEYS_FILE": str(verify),
        "CABRANK_PORT": "0",
    }


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_a_file(tmp_path: Path, ending: str) -> None:
    url = f"sqlite:///{tmp_path}/secret.db"
    (tmp_path / "url").write_text(url + ending)
    environ = {**os.environ, "CABRANK_DATABASE_URL_FILE": str(tmp_path / "url")}
    done = subprocess.run(
        [sys.executable, "-m", "cabrank", "migrate"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "secret.db").is_file()
