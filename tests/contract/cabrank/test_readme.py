"""What README.md tells a newcomer to paste works."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.stack import running

README = Path(__file__).parents[3] / "README.md"
ADDRESS = "127.0.0.1:8000"


def test_the_examples_of_the_readme_work_in_their_order(tmp_path: Path) -> None:
    text = README.read_text()
    bodies = re.findall(r"-d '(\{.*?\})'", text)
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(bodies) == 2
    commands = re.findall(r"^\.venv/bin/cabrank (.+)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["say", "notify"]
    with running(tmp_path / ".cabrank") as stack:
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
        for command in commands:
            said = subprocess.run(
                [sys.executable, "-m", "cabrank", *shlex.split(command)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (said.returncode, said.stderr) == (0, ""), command
        assert stack.stop() == 0
