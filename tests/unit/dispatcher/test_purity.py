"""The pure part imports nothing that could make two replays differ."""

import ast
from pathlib import Path

import pytest

import dispatcher

PURE = (
    "answers",
    "apply",
    "batch",
    "churn",
    "decide",
    "decide_rooms",
    "engine",
    "errors",
    "feed",
    "ids",
    "keys",
    "limits",
    "lined",
    "presence",
    "regional",
    "ring",
    "rooms",
    "settling",
    "shares",
    "snapshot",
    "stamps",
    "state",
    "sync",
    "timeline",
    "transitions",
)
PACKAGE = Path(str(dispatcher.__file__)).parent
FORBIDDEN = {"asyncio", "nats", "time", "random", "logging", "os", "structlog"}


def imports(module: str) -> set[str]:
    source = (PACKAGE / f"{module}.py").read_text()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("module", PURE)
def test_pure_files_import_no_clock_no_dice_and_no_wire(module: str) -> None:
    names = imports(module)
    assert not {name.partition(".")[0] for name in names} & FORBIDDEN
    ours = {name.split(".")[1] for name in names if name.startswith("dispatcher.")}
    assert ours <= set(PURE)
    assert not {name for name in names if name.startswith("runtime")}
