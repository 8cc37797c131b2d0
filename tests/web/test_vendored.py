"""web/vendor: others' files as they are, each with its licence, version and hash."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import web
from tests.web.test_package import npm

VENDOR = web.ROOT / "vendor"
ROW = re.compile(
    r"^\| `(?P<path>[^`]+)` \| (?P<package>\S+) (?P<version>\S+) \| (?P<licence>[^|]+) "
    r"\| `(?P<source>[^`]+)` \| `(?P<sha256>[0-9a-f]{64})` \|$",
    re.MULTILINE,
)
LICENCES = {".LICENSE", ".NOTICE"}


class File(NamedTuple):
    """A row of web/vendor/README.md."""

    path: str
    package: str
    version: str
    licence: str
    source: str
    """Where it is in the package."""
    sha256: str


def table() -> list[File]:
    text = (VENDOR / "README.md").read_text()
    return [File(**row.groupdict()) for row in ROW.finditer(text)]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_file_stands_in_the_table_with_its_hash_and_beside_its_licence() -> None:
    files = {
        str(path.relative_to(VENDOR))
        for path in VENDOR.rglob("*")
        if path.is_file() and path.suffix not in {*LICENCES, ".md"}
    }
    rows = table()
    assert {row.path for row in rows} == files
    for row in rows:
        assert digest(VENDOR / row.path) == row.sha256, row.path
        assert (VENDOR / f"{row.package}.LICENSE").stat().st_size > 500, row.path


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendored")
    (folder / "package.json").write_text('{"private": true}')
    names = sorted({f"{row.package}@{row.version}" for row in table()})
    got = npm("install", "--prefer-offline", "--ignore-scripts", *names, cwd=folder)
    if got.returncode != 0:
        pytest.skip("the packages can't be had from npm here")
    return folder / "node_modules"


def test_each_file_is_byte_for_byte_what_npm_has(packages: Path) -> None:
    rows = table()
    assert len(rows) >= 3
    for row in rows:
        assert digest(packages / row.package / row.source) == row.sha256, row.path
