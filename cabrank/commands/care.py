"""How a system does, and whether its ledger and database agree."""

from pathlib import Path
from typing import Annotated

import typer

from cabrank.commands.options import DataDirOption, UrlOption, writable
from cabrank.errors import UsageError


def doctor(
    data_dir: DataDirOption = None,
    nats_monitor: Annotated[
        str | None,
        typer.Option(help="Monitoring URL of the NATS server, http://HOST:8222."),
    ] = None,
) -> int:
    """Check what the system depends on, and say what to do."""
    import asyncio

    from cabrank.operate.doctor import Level, examine

    findings = asyncio.run(examine(data_dir, nats_monitor))
    for finding in findings:
        print(finding)
    return int(any(finding.level is Level.FAIL for finding in findings))


def explain(
    trip: Annotated[str, typer.Argument(metavar="TRIP", help="The trip's id.")],
    *,
    driver: Annotated[
        str | None,
        typer.Option(help="An id or a username: why it was, or was not, this one."),
    ] = None,
    data_dir: DataDirOption = None,
    url: UrlOption = None,
) -> int:
    """Say why a trip was offered to these drivers, and not to others."""
    from cabrank.operate import explain as explaining

    print("\n".join(explaining.explain(trip, driver, data_dir, url)))
    return 0


def top(
    *,
    data_dir: DataDirOption = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(help="Processes' metrics, http://HOST:PORT; several times."),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One frame, then end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON a frame.")
    ] = False,
    svg: Annotated[
        Path | None,
        typer.Option(help="Draw one frame into this file.", callback=writable),
    ] = None,
) -> int:
    """Show regions, leaders, rates and lags, live; q ends."""
    from cabrank.operate.top.app import run as show

    return show(
        data_dir,
        metrics or [],
        interval_s=interval,
        once=once,
        as_json=as_json,
        svg=svg,
    )


def streams(
    data_dir: DataDirOption = None,
    region: Annotated[
        str | None, typer.Option(help="Whose ledger's limit to set.")
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(min=0, help="How large that ledger may get; 0: no limit."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON a stream.")
    ] = False,
) -> int:
    """List what NATS keeps: size, limit, leader, copies; or set a ledger's limit."""
    import asyncio

    from cabrank.operate import doctor as doctoring
    from cabrank.operate import streams as keeping
    from runtime import log

    log.configure("streams", "error")
    if (region is None) != (max_bytes is None):
        raise UsageError("--region and --max-bytes go together.")
    if max_bytes and max_bytes < keeping.LEDGER_BYTES_MIN:
        least = keeping.LEDGER_BYTES_MIN
        raise UsageError(f"--max-bytes is {max_bytes}: {least:,} at least, or 0.")
    to = doctoring.subject(data_dir)
    if region is None or max_bytes is None:
        rows = asyncio.run(keeping.listed(to))
    else:
        rows = [asyncio.run(keeping.limit(to, region, max_bytes))]
    for line in (keeping.lines if as_json else keeping.table)(rows):
        print(line)
    return 0


def verify(
    data_dir: DataDirOption = None,
    wait: Annotated[
        bool, typer.Option(help="Wait until persistence has caught up, 30 s at most.")
    ] = True,
) -> int:
    """Compare ledger and database row by row: 0 equal, 1 different, 2 unknown."""
    from cabrank.operate import verify as verifying

    return verifying.run(data_dir, wait=wait)


def rebuild(
    data_dir: DataDirOption = None,
    new_ledger: Annotated[
        bool,
        typer.Option(help="Begin a ledger in place of a lost one, above its numbers."),
    ] = False,
) -> int:
    """Replay the ledger into the database; what is there already stays."""
    from cabrank.operate import rebuild as rebuilding

    return rebuilding.run(data_dir, new_ledger=new_ledger)
