"""The tests lie where what they try does, in files that can be read at once."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES_MAX = 400
BUILT = {"build", "dist", "node_modules", "vendor"}
"""Others' files too: web/vendor/README.md has whose (tests/web/test_vendored.py)."""


def folders(of: Path) -> set[str]:
    """Folders with Python in them, below `of`."""
    return {str(path.parent.relative_to(of)) for path in of.rglob("*.py")} - {"."}


def test_each_folder_of_unit_tests_is_one_of_the_source() -> None:
    unit = folders(ROOT / "tests" / "unit")
    assert len(unit) > 20
    assert {name for name in unit if not list((ROOT / name).glob("*.py"))} == set()


def lines_of(*folders: str) -> dict[Path, int]:
    """How many lines each file of code below has."""
    return {
        path.relative_to(ROOT): path.read_text().count("\n")
        for folder in folders
        for kind in ("*.py", "*.js", "*.mjs")
        for path in (ROOT / folder).rglob(kind)
        if not BUILT & {*path.relative_to(ROOT).parts}
    }


def test_no_file_of_tests_is_longer_than_one_reads() -> None:
    lines = lines_of("tests")
    assert len(lines) > 300
    assert {path: n for path, n in lines.items() if n > LINES_MAX} == {}


def test_no_file_of_the_source_is_longer_than_one_reads() -> None:
    source = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"tests"}
    lines = lines_of(*(name for name in source if not name.startswith(".")))
    assert len(lines) > 300
    assert {path: n for path, n in lines.items() if n > LINES_MAX} == {}


def test_no_package_imports_what_is_in_it() -> None:
    """Its modules import it: import-linter doesn't see that circle."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    of_ours = settings["tool"]["importlinter"]["root_packages"]
    packages = [path for name in of_ours for path in (ROOT / name).rglob("__init__.py")]
    assert len(packages) > 20
    circles = []
    for path in packages:
        name = ".".join(path.parent.relative_to(ROOT).parts)
        own = rf"^\s*(?:from|import) (?:\.|{re.escape(name)}\b)"
        if re.search(own, path.read_text(), re.MULTILINE):
            circles.append(name)
    assert circles == []


def test_who_is_cancelled_and_waited_for_is_cancelled_until_it_ends() -> None:
    """`runtime.lifecycle.cancel` does so: one cancellation alone may be lost."""
    services = tomllib.loads((ROOT / "pyproject.toml").read_text())
    of_ours = services["tool"]["importlinter"]["root_packages"]
    once = [
        path.relative_to(ROOT)
        for name in of_ours
        for path in (ROOT / name).rglob("*.py")
        if "return_exceptions=True" in path.read_text()
    ]
    assert once == [Path("runtime/lifecycle.py")]
