"""The npm package: what is in it, that it can be installed and used, and its types."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "web" / "client"
TYPESCRIPT = "typescript@5.9.3"
LIMIT_S = 100


def npm(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which("npm")
    if found is None:
        pytest.skip("there is no npm here")
    return subprocess.run(
        [found, *words, "--no-audit", "--no-fund", "--no-update-notifier"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody's, with the packed package installed."""
    folder = tmp_path_factory.mktemp("project")
    packed = npm("pack", "--json", f"--pack-destination={folder}", cwd=CLIENT)
    assert packed.returncode == 0, packed.stderr
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    (archive,) = folder.glob("*.tgz")
    installed = npm("install", "--offline", f"./{archive.name}", cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return folder


def test_the_package_holds_the_client_and_nothing_else(project: Path) -> None:
    there = {path.name for path in (project / "node_modules/cabrank-client").iterdir()}
    files = {path.name for path in CLIENT.iterdir()}
    assert there == files
    assert {"cabrank.js", "cabrank.d.ts", "README.md", "LICENSE"} <= there


def test_the_package_can_be_imported_by_its_name(project: Path) -> None:
    script = (
        'import * as all from "cabrank-client"; console.log(Object.keys(all).join())'
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    declared = (CLIENT / "cabrank.d.ts").read_text()
    values = re.findall(r"(?m)^export (?:class|function|const) (\w+)", declared)
    assert sorted(done.stdout.strip().split(",")) == sorted(values)


def test_its_types_allow_and_forbid_what_they_say(project: Path) -> None:
    got = npm("install", "--prefer-offline", TYPESCRIPT, cwd=project)
    if got.returncode != 0:
        pytest.skip("TypeScript can't be had from npm here")
    shutil.copy(ROOT / "tests/web/types.ts", project)
    words = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"]
    module = ["--module", "nodenext", "--moduleResolution", "nodenext"]
    done = subprocess.run(
        [project / "node_modules/.bin/tsc", *words, *module, "types.ts"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_package_has_the_projects_version_and_licence() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((CLIENT / "package.json").read_text())["version"] == version
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
