"""Tests never see the data or the environment of whoever runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cabrank.stack.datadir import DEFAULT
from persistence.identity import keyfiles
from runtime import settings

ROOT = Path(__file__).parents[2]
NOBODYS = {
    "CABRANK_DATABASE_URL": "mysql://nobody",
    "CABRANK_REQUEST_TTL_S": "soon",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "PGHOST": "nobody.invalid",
    "HTTP_PROXY": "http://127.0.0.1:9",
}
AFFECTED = (
    "tests/contract/http/test_accounts.py",
    (
        "tests/contract/cabrank/test_command_line.py::"
        "test_settings_are_listed_as_text_and_as_json"
    ),
    "tests/contract/test_isolation.py",
)
"""These read settings, start processes, and look for a data directory."""
WITHIN = "WITHIN_A_DEVELOPERS_SHELL"


def test_defaults_look_into_an_empty_folder() -> None:
    seen = "import os; print(os.getcwd(), sorted(os.environ), os.listdir())"
    shown = subprocess.run(
        [sys.executable, "-c", seen], capture_output=True, text=True, check=True
    ).stdout
    assert str(ROOT) not in shown.split()[0]
    assert shown.endswith("[]\n")
    assert [name for name in NOBODYS if f"'{name}'" in shown] == []
    assert not DEFAULT.exists()
    assert not Path(settings.Settings().signing_key_file).exists()


@pytest.mark.skipif(WITHIN in os.environ, reason="this is the run that it starts")
@pytest.mark.timeout(300)
def test_a_system_run_in_the_same_folder_changes_no_test(tmp_path: Path) -> None:
    held = tmp_path / ".cabrank"
    (held / "keys").mkdir(parents=True)
    keyfiles.ensure(held / "keys" / "signing.pem", held / "keys" / "jwks.json")
    state = {"nats_port": 1, "database_url": "", "url": "http://127.0.0.1:1"}
    (held / "stack.json").write_text(json.dumps(state))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}"),
            *(str(ROOT / path) for path in AFFECTED),
        ],
        cwd=tmp_path,
        env={**os.environ, **NOBODYS, WITHIN: "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
