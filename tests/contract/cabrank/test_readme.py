"""What README.md tells a newcomer to paste works."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.stack import running

README = Path(__file__).parents[3] / "README.md"
ADDRESS = "127.0.0.1:8000"


def test_the_example_of_the_readme_takes_a_rider_to_the_end(tmp_path: Path) -> None:
    text = README.read_text()
    bodies = re.findall(r"-d '(\{.*?\})'", text)
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(bodies) == 2
    with running(tmp_path / "data") as stack:
        for body in bodies:
            made = httpx.post(
                f"{stack.url}/api/users", json=json.loads(body), trust_env=False
            )
            assert made.status_code == 201
        address = stack.url.removeprefix("http://")
        done = subprocess.run(
            [sys.executable, "-c", program.replace(ADDRESS, address)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("\nbob took ann\n")
        assert stack.stop() == 0
