"""What README.md tells a newcomer to paste works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.stack import cabrank, running

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
INSTALL = ".venv/bin/python -m pip install ./clients/python"
ADDRESS = "127.0.0.1:8000"
LOOKS = {
    "settings": ("`cabrank settings`", "CABRANK_DATABASE_URL"),
    "keys list": ("`cabrank keys list`", "signs"),
    "audit": ("`cabrank audit`", "ann"),
    "doctor": ("`cabrank doctor`", "database"),
    "top --once": ("`--once`", "epoch"),
    "verify": ("`cabrank verify`", ""),
}
"""What looks at a running system: how the page names it, and what it says."""


def sign_up(text: str, address: str) -> None:
    """As the page has it, by curl where there is one."""
    lines = re.findall(r"^curl .*\\\n.*$", text, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        if shutil.which("curl"):
            words = ["sh", "-c", line.replace(ADDRESS, address)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            assert json.loads(done.stdout)["access"]
        else:
            (body,) = re.findall(r"-d '(\{.*?\})'", line)
            url = f"http://{address}/api/users"
            made = httpx.post(url, json=json.loads(body), trust_env=False)
            assert made.status_code == 201


def installed(text: str, folder: Path) -> dict[str, str]:
    """Install the client as the page has it, but here; the environment that finds it.
    Without isolation: what builds it is there.
    """
    assert f"\n{INSTALL}\n" in text
    words = [*INSTALL.split()[1:], "--no-deps", "--no-build-isolation", "--quiet"]
    words += ["--disable-pip-version-check", "--target", str(folder)]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "cabrank_client" / "py.typed").exists()
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_the_examples_of_the_readme_work_in_their_order(tmp_path: Path) -> None:
    text = README.read_text()
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    commands = re.findall(r"^\.venv/bin/cabrank (.+)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["say", "notify"]
    environment = installed(text, tmp_path / "installed")
    with running(tmp_path / ".cabrank") as stack:
        address = stack.url.removeprefix("http://")
        sign_up(text, address)
        done = subprocess.run(
            [sys.executable, "-c", program.replace(ADDRESS, address)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("COMPLETED\nbob took ann\n")
        for command in commands:
            said = cabrank(*shlex.split(command), cwd=tmp_path)
            assert (said.returncode, said.stderr) == (0, ""), command
        for command, (name, says) in LOOKS.items():
            assert name in text
            looked = cabrank(*command.split(), cwd=tmp_path)
            assert looked.returncode == 0, looked.stdout + looked.stderr
            assert looked.stdout, command
            assert says in looked.stdout, command
        assert stack.stop() == 0
