"""examples/README.md names what each example needs, and where it says how to start."""

import ast
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
ROWS = dict(
    re.findall(
        r"^\| \[\w+\]\((\S+)\) \| (?:`([^`]*)`|.) \|",
        (FOLDER / "README.md").read_text(),
        re.MULTILINE,
    )
)
CALLED = {"jwt": "pyjwt", "pydantic": "fastapi"}
"""Modules whose packages are called otherwise, or bring them."""


def imported(folder: Path) -> set[str]:
    """Packages that aren't Python's, ours or the example's own."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    own = {path.stem for path in folder.iterdir()}
    others = names - own - set(sys.stdlib_module_names) - {"cabrank_client"}
    return {CALLED.get(name, name) for name in others}


def test_every_example_has_its_row() -> None:
    assert {first.partition("/")[0] for first in ROWS} == {
        one.name for one in FOLDER.iterdir() if one.is_dir()
    }


@pytest.mark.parametrize("first", ROWS)
def test_what_an_example_needs_is_named_and_how_it_starts_is_at_its_top(
    first: str,
) -> None:
    text = (FOLDER / first).read_text()
    said = ast.get_docstring(ast.parse(text), clean=False) or ""
    assert re.search(r"\n {4}.*(uvicorn app:app|python \w+\.py)", said)
    served = {"uvicorn"} & set(said.split())
    assert (
        set(ROWS[first].split())
        == imported(FOLDER / first.split("/", maxsplit=1)[0]) | served
    )
