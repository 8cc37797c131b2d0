"""The tests lie where what they try does, in files that can be read at once."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES_MAX = 400


def folders(of: Path) -> set[str]:
    """Folders with Python in them, below `of`."""
    return {str(path.parent.relative_to(of)) for path in of.rglob("*.py")} - {"."}


def test_each_folder_of_unit_tests_is_one_of_the_source() -> None:
    unit = folders(ROOT / "tests" / "unit")
    assert len(unit) > 20
    assert {name for name in unit if not list((ROOT / name).glob("*.py"))} == set()


def test_no_file_of_tests_is_longer_than_one_reads() -> None:
    files = [
        path
        for kind in ("*.py", "*.mjs")
        for path in (ROOT / "tests").rglob(kind)
        if "node_modules" not in path.parts
    ]
    assert len(files) > 300
    lines = {path.relative_to(ROOT): path.read_text().count("\n") for path in files}
    assert {path: n for path, n in lines.items() if n > LINES_MAX} == {}
