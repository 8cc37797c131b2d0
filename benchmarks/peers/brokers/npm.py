"""What comes from npm, in an environment of its own beside the peers'."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import infra

from brokers import links

HERE = Path(__file__).resolve().parent
HOME = infra.CACHE / "node"
PACKAGES = {"bun": "1.4.5", "ws": "8.23.0"}
"""Exactly these; both MIT."""


def modules() -> Path:
    """Where they are installed; done once.

    Raises:
        InfraError: npm can't.
    """
    stamp = HOME / "installed"
    wanted = " ".join(f"{name}@{version}" for name, version in PACKAGES.items())
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(parents=True)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--silent")
        command = ["npm", "install", *options, "--prefix", str(HOME), *wanted.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise infra.InfraError(f"npm can't install {wanted}: {done.stderr[-300:]}")
        stamp.write_text(wanted)
    return HOME / "node_modules"


def lacking() -> str | None:
    return None if shutil.which("npm") else "npm is missing (apt-get install npm)"


@contextlib.contextmanager
def start(program: str, script: str, where: Path) -> Iterator[str]:
    found = modules()
    bun = str(found / ".bin" / "bun")
    words = [bun if program == "bun" else program, str(HERE / script)]
    told = {"SECRET": links.SECRET, "NODE_PATH": str(found), "NODE_ENV": "production"}
    with infra.server(where, words, told | {"HOME": os.environ.get("HOME", "/")}) as at:
        yield at
