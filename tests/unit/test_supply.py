"""What `make audit` makes of pip-audit's report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

AUDIT = Path(__file__).parents[2] / "deploy/supply/audit.py"
SOUND = {"name": "a", "version": "1", "vulns": []}
FLAWED = {
    "name": "b",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}],
}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def audit(*packages: Any) -> tuple[int, str]:
    report = json.dumps({"dependencies": packages}) if packages else ""
    done = subprocess.run(
        [sys.executable, str(AUDIT)],
        input=report,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_known_vulnerability_fails_and_names_its_mend() -> None:
    status, said = audit(SOUND, FLAWED)
    assert status == 1
    assert said == "b 2: PYSEC-1, fixed in 2.1\n"


def test_sound_packages_pass() -> None:
    assert audit(SOUND) == (0, "1 packages, nothing known.\n")


def test_an_unknown_package_among_known_ones_fails() -> None:
    assert audit(SOUND, UNKNOWN) == (1, "c: not found\n")


def test_a_service_that_cannot_be_asked_is_said_and_is_no_pass() -> None:
    for answer in (audit(UNKNOWN), audit()):
        assert answer[0] == 75
        assert "nothing was audited" in answer[1]
