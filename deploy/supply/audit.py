"""Reads pip-audit's JSON from standard input and says what it found in plain lines.

Status: 0 nothing known; 1 known vulnerabilities, or packages that the vulnerability
service didn't know among others it did; 75 (EX_TEMPFAIL) it could not be asked at all.
"""

import json
import os
import sys
from typing import Any

UNREACHABLE = "The vulnerability service can't be asked from here: nothing was audited."


def verdict(text: str) -> tuple[int, list[str]]:
    """(status, lines) of pip-audit's report; an empty one: it never got an answer."""
    packages: list[Any] = json.loads(text)["dependencies"] if text.strip() else []
    known = [package for package in packages if "vulns" in package]
    if not known:
        return os.EX_TEMPFAIL, [UNREACHABLE]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in known
        for flaw in package["vulns"]
    ]
    lines += [
        f"{package['name']}: {package['skip_reason']}"
        for package in packages
        if "vulns" not in package
    ]
    return int(bool(lines)), lines or [f"{len(known)} packages, nothing known."]


if __name__ == "__main__":
    status, lines = verdict(sys.stdin.read())
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(status)
