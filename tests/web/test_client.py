"""Runs the JavaScript client's own tests, so that one command runs all."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LIMIT_S = 60


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_javascript(name: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail(
            "The JavaScript client's tests need node 20: apt-get install nodejs", False
        )
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", name],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
