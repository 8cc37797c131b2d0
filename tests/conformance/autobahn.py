"""Runs the Autobahn fuzzing client against the echo server, and keeps a summary.

`python -m tests.conformance.autobahn PYTHON2 DIRECTORY`: DIRECTORY holds the installed
suite (autobahntestsuite 0.8.2, Python 2.7 only); the report goes to its `report`, the
summary to docs/conformance/. Status 1 unless all cases pass, or pass non-strictly.
Cases 12.* and 13.* (permessage-deflate) are left out: the gateway offers no extension.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

EXCLUDED = ["12.*", "13.*"]
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
"""INFORMATIONAL cases (7.1.6, 7.13.*) have no right answer."""
SUMMARY = Path("docs/conformance")
AGENT = "cabrank"
START = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); "
    "from autobahntestsuite.wstest import run; run()"
)
"""A directory of site-packages, for zope.interface is a namespace package."""
RUN_MAX_S = 1200


def fuzz(python: str, suite: Path, url: str) -> dict[str, Any]:
    """Run all cases; {case: {"behavior", "behaviorClose", …}}."""
    report = suite / "report"
    spec = {
        "servers": [{"agent": AGENT, "url": url}],
        "outdir": str(report),
        "cases": ["*"],
        "exclude-cases": EXCLUDED,
        "exclude-agent-cases": {},
    }
    spec_file = suite / "fuzzingclient.json"
    spec_file.write_text(json.dumps(spec))
    mode = ("--mode", "fuzzingclient", "--spec", str(spec_file))
    subprocess.run(
        [python, "-c", START, str(suite), *mode],
        stdout=subprocess.DEVNULL,
        timeout=RUN_MAX_S,
        check=True,
    )
    index = json.loads((report / "index.json").read_text())
    cases: dict[str, Any] = index[AGENT]
    return cases


def main(python: str, suite: Path) -> int:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.echo"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        cases = fuzz(python, suite.absolute(), f"ws://127.0.0.1:{port}/ws")
    finally:
        server.terminate()
        server.wait()
    write_summary(cases)
    failed = failures(cases)
    for name in failed:
        sys.stdout.write(f"{name}: {described(cases[name])}\n")
    sys.stdout.write(f"{len(cases)} cases, {len(failed)} failed\n")
    return 1 if failed or not cases else 0


def failures(cases: dict[str, Any]) -> list[str]:
    return [
        name
        for name, case in cases.items()
        if not {case["behavior"], case["behaviorClose"]} <= PASSED
    ]


def described(case: dict[str, Any]) -> str:
    return f"{case['behavior']}, close {case['behaviorClose']}"


def write_summary(cases: dict[str, Any]) -> None:
    def order(name: str) -> list[int]:
        return [int(part) for part in name.split(".")]

    counts = Counter(case["behavior"] for case in cases.values())
    summary = {
        "suite": "autobahntestsuite 0.8.2, fuzzingclient",
        "excluded": EXCLUDED,
        "cases": len(cases),
        "counts": dict(sorted(counts.items())),
        "not_strictly_ok": {
            name: described(cases[name])
            for name in sorted(cases, key=order)
            if {cases[name]["behavior"], cases[name]["behaviorClose"]} != {"OK"}
        },
        "passed": sorted(set(cases) - set(failures(cases)), key=order),
    }
    SUMMARY.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=1) + "\n"
    (SUMMARY / "autobahn.json").write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
