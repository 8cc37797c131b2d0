"""Which engine there is, and the one line that says so.

CABRANK_CONTAINERS=required: no engine is a failure instead of a fallback.
"""

import functools
import os
import subprocess

import pytest

ENVIRON = dict(os.environ)
"""As pytest was started with: tests/conftest.py forgets every CABRANK_* variable."""
REQUIRED = ENVIRON.get("CABRANK_CONTAINERS") == "required"
NONE = "no container engine answers: local processes stand in, compose.yaml is left out"


@functools.cache
def has_engine() -> bool:
    """Whether containers can be run here.

    Raises:
        pytest.fail: they can't, and must.
    """
    found = all(
        _answers("docker", *arguments)
        for arguments in (["info"], ["compose", "version"])
    )
    if not found and REQUIRED:
        pytest.fail(f"CABRANK_CONTAINERS is required, but {NONE}", pytrace=False)
    return found


def _answers(*command: str) -> bool:
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=30, check=False, env=ENVIRON
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def image(kind: str, official: str) -> str:
    """The image of compose.yaml, or what is named in its place: NATS, POSTGRES."""
    return ENVIRON.get(f"CABRANK_{kind}_IMAGE") or official
