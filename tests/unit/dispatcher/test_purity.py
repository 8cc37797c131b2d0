"""The pure part imports nothing that could make two replays differ."""

import ast
from pathlib import Path

import pytest

import dispatcher

PACKAGE = Path(str(dispatcher.__file__)).parent
PURE = sorted(
    str(file.relative_to(PACKAGE))
    for file in (
        *(PACKAGE / "engine").glob("*.py"),
        PACKAGE / "errors.py",
        PACKAGE / "region" / "stamps.py",
        PACKAGE / "placement" / "ranking.py",
        PACKAGE / "placement" / "roster.py",
    )
)
FORBIDDEN = {"asyncio", "nats", "time", "random", "logging", "os", "structlog"}


def imports(file: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("file", PURE)
def test_pure_files_import_no_clock_no_dice_and_no_wire(file: str) -> None:
    names = imports(file)
    assert not {name.partition(".")[0] for name in names} & FORBIDDEN
    assert not {name for name in names if name.startswith("runtime")}
    ours = {name for name in names if name.startswith("dispatcher.")}
    pure = {"dispatcher." + name[:-3].replace("/", ".") for name in PURE}
    assert ours <= pure | {"dispatcher.engine"}
