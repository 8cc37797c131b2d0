"""Where cabrank/trial is not installed, as in the image (.dockerignore)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cabrank import main

ROOT = Path(main.__file__).parents[1]
LEFT_OUT = "cabrank/trial"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The packages, as the image has them: the command line without its trial."""
    assert LEFT_OUT in (ROOT / ".dockerignore").read_text().splitlines()
    services = ("gateway", "dispatcher", "persistence", "webhooks")
    for name in ("schemas", "runtime", *services, "web"):
        (tmp_path / name).symlink_to(ROOT / name)
    ignored = shutil.ignore_patterns(Path(LEFT_OUT).name, "__pycache__")
    shutil.copytree(ROOT / "cabrank", tmp_path / "cabrank", ignore=ignored)
    return tmp_path


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cabrank", *arguments],
        env={**os.environ, "PYTHONPATH": str(program), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(main.TRIAL))
def test_what_tries_a_system_says_that_it_is_not_there(
    program: Path, name: str
) -> None:
    done = run(program, name, "--help")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"`cabrank {name}` is not installed here: pip install 'cabrank[trial]'.\n"
    )


def test_the_help_lists_what_is_there_and_nothing_else(program: Path) -> None:
    done = run(program, "--help")
    assert done.returncode == 0
    words = set(done.stdout.split())
    assert {"up", "gateway", "doctor", "tokens"} <= words
    assert not main.TRIAL & words


def test_no_module_but_the_command_line_s_root_imports_it(program: Path) -> None:
    names = sorted(
        ".".join(path.relative_to(program).with_suffix("").parts)
        for path in (program / "cabrank").rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import {', '.join(names)}"],
        env={**os.environ, "PYTHONPATH": str(program), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
