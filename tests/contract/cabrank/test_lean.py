"""What a service takes along: nothing that only others need."""

import subprocess
import sys

import pytest

NEVER = {"rich", "pygments", "typer", "alembic", "httpx"}
OTHERS = {
    "gateway": {"sqlalchemy", "h3"},
    "dispatcher": {"sqlalchemy", "litestar", "cryptography"},
    "persistence": {"litestar", "uvicorn", "h3"},
    "webhooks": {"sqlalchemy", "litestar", "h3"},
}
LOADED = (
    "import sys; from cabrank import services; import {0}.main; print(*sys.modules)"
)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_service_imports_nothing_that_only_others_need(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADED.format(name)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert "structlog" in loaded
    assert not loaded & (NEVER | OTHERS[name])
