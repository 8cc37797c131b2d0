"""Every constant of the services that says how large something may get, by its name.

A constant is a limit where its name says so: `…_MAX`, `…_BYTES`, `…_CHARS`, or a field
`…_max` of a struct named `Limits`. Must not know what any of them is for.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "gateway", "dispatcher", "persistence", "webhooks")
_LIMIT = re.compile(r"[A-Z0-9_]*(_MAX|_BYTES|_CHARS)")
_AGE = re.compile(r".*_(S|MS)_?(MAX|MIN)?|.*(MAX|MIN)_(AGE_)?(S|MS)")
"""How long, not how much."""


def limits() -> dict[str, int]:
    """`module:NAME` or `module:Limits.name`, and its value."""
    return {name: value for path in _files() for name, value in _of(path)}


def value_of(name: str) -> int:
    """The value of one that `limits` names, or of any other whole number."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        fields = getattr(found, "__struct_fields__", ())
        if part in fields:
            found = dict(
                zip(fields[::-1], found.__struct_defaults__[::-1], strict=False)
            )[part]
        else:
            found = getattr(found, part)
    assert isinstance(found, int), name
    return found


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def _of(path: Path) -> Iterator[tuple[str, int]]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.parse(path.read_text()).body:
        for target in _targets(node):
            if _LIMIT.fullmatch(target) and not _AGE.fullmatch(target):
                yield from _whole(f"{module}:{target}")
        if isinstance(node, ast.ClassDef) and node.name == "Limits":
            for inner in node.body:
                for target in _targets(inner):
                    if target.endswith("_max"):
                        yield from _whole(f"{module}:Limits.{target}")


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _whole(name: str) -> Iterator[tuple[str, int]]:
    value = value_of(name)
    if isinstance(value, int):
        yield name, value
