"""docs/BENCHMARKS.md, from what was found. Pure but for reading the machine's names."""

import importlib.metadata
import os
import platform
import subprocess
import textwrap
from collections.abc import Sequence
from pathlib import Path

import rounds as comparing
from brokers.table import BROKERS
from msgspec import Struct
from rounds import Round, line

from cabrank.stack import embedded
from cabrank.trial.bench.rows import Row, Sheet
from cabrank.trial.load import LoadError
from schemas.codec import CodecError, decode, encode

HERE = Path(__file__).resolve().parent
NOTES = HERE / "NOTES.md"
OUR_PARTS = ("uvloop", "websockets", "uvicorn", "msgspec", "nats-py", "picows")

JOBS = (
    ("one request at a time", "deliveries per gateway CPU-second, 1 request at a time"),
    ("one request at a time: floor", "the floor, in the same run"),
    ("one request at a time: share of the floor", "share of the floor"),
    ("one request at a time: floor at that pace", "the floor at the gateway's pace"),
    ("one request at a time: share of the floor at that pace", "share of that"),
    ("bursts of 20", "deliveries per gateway CPU-second, bursts of 20"),
    ("bursts of 20: floor", "the floor, in the same run"),
    ("bursts of 20: floor at that pace", "the floor at the gateway's pace"),
    ("bursts of 20: lost", "lost in bursts of 20, %"),
    ("bursts of 300: lost", "lost in a burst of 300 to 100 drivers, %"),
    ("p50 at 10/s", "request → last driver at 10/s, p50 ms"),
    ("p99 at 10/s", "request → last driver at 10/s, p99 ms"),
    ("p50 at 10/s: floor", "the floor's p50, in the same run, ms"),
    ("p99 at 10/s: floor", "the floor's p99, ms"),
    ("p99 beside 1000 stalled: ratio", "p99 beside 1,000 stalled drivers / without"),
    ("memory beside 1000 stalled", "gateway RSS, KiB more for each of those"),
    ("trips", "trips/s (lifecycle)"),
    ("CPU, all processes", "CPU-ms a trip, all processes"),
    ("commands", "commands per gateway CPU-second (lifecycle)"),
    ("request p50", "request → answer, p50 ms (lifecycle)"),
    ("request p99", "request → answer, p99 ms (lifecycle)"),
    ("connects", "connects per gateway CPU-second, welcome included"),
    ("memory", "KiB RSS per idle connection"),
    ("evenly, 20/s a driver", "`driver.location` per gateway CPU-second, one by one"),
    ("as fast as they go", "the same, as fast as they go"),
)
"""Row's name → what it is called on the page."""

Found = dict[str, list[Sheet]]


class Kept(Struct):
    """BENCHMARKS.json. `services`: of taxi services, with `drivers`, in `spent_s`;
    those `earlier` are of the run before. `rounds`: of what passes messages on.
    """

    services: Found = {}
    drivers: int = 0
    spent_s: float = 0.0
    earlier: list[str] = []
    rounds: list[Round] = []


def read(path: Path) -> Kept:
    """Nothing where there is no such file yet.

    Raises:
        LoadError: it is another kind of file.
    """
    if not path.exists():
        return Kept()
    try:
        return decode(path.read_bytes(), Kept)
    except (OSError, CodecError):
        raise LoadError(f"{path} holds no figures of `make peers`.") from None


def write(path: Path, kept: Kept) -> None:
    """The page, and beside it the figures that it is made of."""
    path.with_suffix(".json").write_bytes(encode(kept) + b"\n")
    path.write_text(page(kept))


def by_name(sheets: list[Sheet]) -> dict[str, Row]:
    """By name; of two the first sheet's, which is of the greater number of drivers."""
    return {row.name: row for sheet in reversed(sheets) for row in sheet.rows}


def table(found: Found) -> str:
    """A row a job, a column a system; ours with its aim."""
    columns = ["job", "aim", *found]
    lines = [line(columns), "|---|---|" + "---:|" * len(found)]
    rows = {name: by_name(sheets) for name, sheets in found.items()}
    for name, words in JOBS:
        aim = next((r[name].aim for r in rows.values() if name in r), "")
        cells = [r[name].words if name in r else "-" for r in rows.values()]
        lines.append(line([words, aim, *cells]))
    return "\n".join(lines)


def troubles(found: Found) -> str:
    """What went wrong, by system and job; that is a result too."""
    lines = [
        f"- {name}, {sheet.bench}: {times} times: {what}"
        for name, sheets in found.items()
        for sheet in sheets
        for what, times in sheet.troubles.items()
    ]
    return "\n".join(lines) or "None."


def _said(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip().splitlines()[0] if done.stdout else "unknown"


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (x.partition(":")[2].strip() for x in info.splitlines() if "model name" in x),
        platform.machine(),
    )
    ours = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in OUR_PARTS)
    theirs = [
        line
        for line in (HERE / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    lines = [
        f"{model}, {os.cpu_count()} cores",
        f"Linux {platform.release()}, Python {platform.python_version()}",
        f"cabrank: {ours}, {_said(str(embedded.program()), '--version')}",
        "peers: " + ", ".join(theirs).replace("==", " "),
        _said("redis-server", "--version"),
        _said(str(postgres[-1]), "--version") if postgres else "no PostgreSQL",
    ]
    return "\n".join(
        textwrap.fill(f"- {line}", 120, subsequent_indent="  ") for line in lines
    )


def strongest(found: Sequence[Round]) -> str:
    """The part on what passes messages on; nothing where nothing was measured."""
    if not found:
        return ""
    rounds = list(found)
    parts = sorted({one.part for one in rounds})
    counts = ", ".join(
        f"{part} {sum(one.part == part for one in rounds)}" for part in parts
    )
    loads = sorted(one.load for one in rounds)
    chosen = "\n".join(
        textwrap.fill(
            f"- **{one.name}** ({one.licence}): {one.settings}.",
            120,
            subsequent_indent="  ",
        )
        for one in BROKERS
    )
    return f"""## Beside the strongest

None of these decides anything, has an fsync or keeps what it passed on anywhere but
in memory; cabrank does all of that within these figures. The clients are the same, the
publications equally long, one process holds the WebSockets in each. Medians of rounds
in turns ({counts}); when they began the machine's load was {loads[0]:g} to
{loads[-1]:g}.

{comparing.table(rounds)}

cabrank / the other within a round, median (least to most); bold where it is behind:

{comparing.beside(rounds)}

What went wrong:

{comparing.troubles(rounds)}

Licence and settings of each:

{chosen}

"""


def services(kept: Kept) -> str:
    """The part on taxi services; nothing where nothing was measured."""
    if not kept.services:
        return ""
    earlier = (
        f"Of an earlier run, not of this one: {'; '.join(kept.earlier)}.\n\n"
        if kept.earlier
        else ""
    )
    return f"""## Beside taxi services

The same jobs on services that people come from; {kept.drivers:,} drivers, one gateway
process each; the last run took {kept.spent_s / 60:.0f} minutes.

{earlier}{table(kept.services)}

![The same, drawn](benchmarks.png)

What went wrong:

{troubles(kept.services)}

"""


def page(kept: Kept) -> str:
    return f"""# Benchmarks

Tables, picture and versions are written by `make peers`, the rest is
benchmarks/peers/NOTES.md; don't edit it here. Each run's figures are in
BENCHMARKS.json. Medians, and the spread where there were several runs. Gateway CPU is
that of the process that holds the WebSockets; ratios between columns count, absolute
figures are this machine's.

{strongest(kept.rounds)}{services(kept)}## The machine and the versions

{machine()}

{NOTES.read_text()}"""
