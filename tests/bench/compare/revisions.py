"""A revision's files, and the interpreter that has what its lock file names.

Kept in `.venv/compare/<commit>` until `make clean`, so that the next comparison with it
starts at once. Where both revisions are locked to the same packages, they share this
interpreter, and nothing is installed.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cabrank.errors import CabrankError, UsageError

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".venv" / "compare"
LOCK = "requirements.lock"
WHOLE = ".unpacked"
"""Written last: without it a folder is what an interrupted run has left."""


class BuildError(CabrankError):
    """A revision's environment could not be made: exit status 1."""


class Revision(Struct, frozen=True):
    """`name`: as tables call it."""

    name: str
    tree: Path
    python: Path

    def program(self, *arguments: str) -> tuple[str, ...]:
        """Of this interpreter, with the revision's packages before any other's; passed
        on to all that it starts.
        """
        paths = f"PYTHONPATH={self.tree}"
        return ("/usr/bin/env", paths, str(self.python), "-P", *arguments)

    @property
    def cabrank(self) -> tuple[str, ...]:
        return self.program("-m", "cabrank")


def here() -> Revision:
    """The working tree as it is, uncommitted changes included."""
    return Revision("now", ROOT, Path(sys.executable))


def base(
    revision: str, say: Callable[[str], None], root: Path = ROOT, cache: Path = CACHE
) -> Revision:
    """`revision` of the repository at `root`, unpacked below `cache`.

    Raises:
        UsageError: there is no such revision, or no git to ask.
        BuildError: what it needs could not be installed.
    """
    commit = _commit(revision, root)
    tree = cache / commit
    if not (tree / WHOLE).exists():
        say(f"unpacking {revision} into {tree}")
        _unpack(commit, root, tree)
    python = Path(sys.executable)
    if (tree / LOCK).read_bytes() != (root / LOCK).read_bytes():
        say(f"installing what {revision} needs into {tree / '.venv'}")
        python = _environment(tree)
    return Revision(revision, tree, python)


def _git(root: Path, *words: str) -> bytes | None:
    """What it prints; None where it fails."""
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=root,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("git is missing, which knows the other revision.") from None
    return done.stdout if done.returncode == 0 else None


def _commit(revision: str, root: Path) -> str:
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    found = _git(root, *asked, f"{revision}^{{commit}}")
    if not revision or found is None:
        raise UsageError(f"There is no revision {revision!r} in this repository.")
    return found.decode().strip()


def _unpack(commit: str, root: Path, tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    packed = _git(root, "archive", commit)
    if packed is None:
        raise BuildError(f"git can't give the files of {commit}.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(tree, filter="data")
    (tree / WHOLE).touch()


def _environment(tree: Path) -> Path:
    """As its own Makefile makes it, whose stamps tell whether that was done."""
    # MAKEFLAGS would hand this make's variables on.
    told = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    command = ["make", "--silent", ".venv/.run", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tree, env=told, stdout=sys.stderr, check=False)
    if done.returncode:
        raise BuildError(f"{tree} has no environment: make ended with an error.")
    return tree / ".venv" / "bin" / "python"
