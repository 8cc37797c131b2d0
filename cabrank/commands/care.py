"""How a system does, and whether its ledger and database agree."""

from pathlib import Path
from typing import Annotated

import typer

from cabrank.commands.options import DataDirOption, writable


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
