"""Makes `code-<version>.tar.xz` beside it: `python -m tests.data.keep_code REVISION`.

The services as a release has them, for tests/e2e/test_upgrade.py to run beside today's:
to be run once a release, on what is released.
"""

import lzma
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "schemas",
    "runtime",
    "gateway",
    "dispatcher",
    "persistence",
    "cabrank",
    "web",
)


def git(*words: str) -> bytes:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True
    ).stdout


def kept() -> Path:
    """The code that is kept last."""
    return max(Path(__file__).parent.glob("code-*.tar.xz"))


def unpack(folder: Path) -> None:
    """What is kept last, as a folder for PYTHONPATH."""
    with tarfile.open(kept()) as archive:
        archive.extractall(folder, filter="data")


def main(revision: str) -> None:
    project = tomllib.loads(git("show", f"{revision}:pyproject.toml").decode())
    name = f"code-{project['project']['version']}.tar.xz"
    tar = git("archive", revision, *PACKAGES)
    Path(__file__).with_name(name).write_bytes(lzma.compress(tar, preset=9))


if __name__ == "__main__":
    main(sys.argv[1])
