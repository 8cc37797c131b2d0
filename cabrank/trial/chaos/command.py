"""`cabrank chaos`: its options, and the places of its system.

Exit status: 0, or 1 where a promise broke, or 2 on bad input.
"""

import asyncio
import contextlib
import random
import signal
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX, OffersOption
from cabrank.errors import UsageError
from cabrank.trial.chaos import disk, endpoints, network, output, system
from cabrank.trial.chaos.database import (
    Database,
    Postgres,
    Sqlite,
    has_account,
    programs,
)
from cabrank.trial.chaos.network import Network
from cabrank.trial.chaos.plan import CLUSTER_KINDS, FULL_KINDS, Kind
from cabrank.trial.chaos.run import Chaos, Order, Outcome
from cabrank.trial.load import LoadError
from cabrank.trial.load.agents import OFFERS, Habits
from runtime import log

EACH = 2
"""Of gateways, dispatchers, persistence and webhooks workers: one dies, one is left."""
PAIRS = 0.2
SEARCHABLE_MODE = 0o711
"""PostgreSQL, run as another user, must reach its folder below ours."""


class Choice(StrEnum):
    AUTO = "auto"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def _database(choice: Choice, folder: Path) -> Database:
    """Raises: UsageError: PostgreSQL is asked for and can't be run."""
    possible = programs() is not None and has_account()
    if choice is Choice.POSTGRESQL and not possible:
        raise UsageError(
            "PostgreSQL's programs (initdb, pg_ctl, postgres), or a user postgres to "
            "run them, are missing: install the package postgresql."
        )
    folder.mkdir(exist_ok=True)
    if possible and choice is not Choice.SQLITE:
        return Postgres(folder)
    return Sqlite(folder)


def _made(work_dir: Path) -> Path:
    try:
        work_dir.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{work_dir} can't be made: {error.strerror}.") from None
    return work_dir.absolute()


@contextlib.contextmanager
def _places(
    work_dir: Path | None, choice: Choice, *, mounts: bool
) -> Iterator[tuple[Path, Database, bool]]:
    """A data directory, a database, and whether both lie on disks of their own.

    Raises:
        UsageError: `work_dir` can't be made, or is there already.
    """
    with contextlib.ExitStack() as stack:
        if work_dir is None:
            made = tempfile.TemporaryDirectory(prefix="cabrank-chaos-")
            base = Path(stack.enter_context(made))
        else:
            base = _made(work_dir)
        base.chmod(SEARCHABLE_MODE)
        data_dir = base / "data"
        own = mounts
        for folder in (data_dir / "nats", base / "database"):
            own = own and stack.enter_context(disk.mounted(folder))
        database = _database(choice, base / "database")
        stack.callback(database.close)
        yield data_dir, database, own


def _kinds(
    only: list[Kind] | None,
    nats_servers: int,
    database: Database,
    no_network: str | None,
    *,
    own_disks: bool,
) -> list[Kind]:
    """What is asked for, else all that is possible here. `no_network`: why there is no
    network whose cables may be pulled.

    Raises:
        UsageError: what is asked for is not.
    """
    impossible = {}
    if no_network is not None:
        impossible[Kind.CUT_LEDGER_LEADER] = f"is not possible here: {no_network}"
    if nats_servers == 1:
        for kind in CLUSTER_KINDS:
            impossible[kind] = "needs --nats-servers 3"
    if database.name != "SQLite" and not own_disks:
        impossible[Kind.DATABASE_FULL] = (
            "needs a disk of its own for PostgreSQL, which root may mount for a single "
            "NATS server; or --database sqlite"
        )
    for kind in only or ():
        if kind in impossible:
            raise UsageError(f"{kind} {impossible[kind]}.")
    return [kind for kind in dict.fromkeys(only or Kind) if kind not in impossible]


def _network(nats_servers: int) -> tuple[Network | None, str | None]:
    """One of chaos's own where that may be, else why not; for several servers only."""
    if nats_servers == 1:
        return None, None
    try:
        return network.lay(nats_servers), None
    except LoadError as error:
        return None, str(error)


async def _chaos(chaos: Chaos) -> Outcome:
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, chaos.stop)
    return await chaos.run()


def command(  # noqa: PLR0917 (typer reads options, not positions)
    duration: Annotated[
        float,
        typer.Option(min=0, max=SECONDS_MAX, help="Seconds in which faults begin."),
    ] = 60,
    count: Annotated[
        int | None,
        typer.Option(min=1, max=COUNT_MAX, help="So many faults, however long."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of faults and load.")] = None,
    only: Annotated[
        list[Kind] | None,
        typer.Option(
            metavar="KIND", help=f"Of this kind; several times. {', '.join(Kind)}."
        ),
    ] = None,
    hold: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=SECONDS_MAX,
            help="Seconds for which a fault lasts that can last.",
        ),
    ] = None,
    pause: Annotated[
        float | None,
        typer.Option(
            min=0, max=SECONDS_MAX, help="Seconds of peace before each fault."
        ),
    ] = None,
    pairs: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of faults that another comes on top of"),
    ] = None,
    riders: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Riders.")] = 40,
    drivers: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Drivers.")] = 16,
    think: Annotated[
        float,
        typer.Option(
            min=0.001, max=SECONDS_MAX, help="Mean seconds between a rider's trips."
        ),
    ] = 0.5,
    step: Annotated[
        float,
        typer.Option(
            min=0.001, max=SECONDS_MAX, help="Longest step of a driver, in seconds."
        ),
    ] = 0.4,
    offers: OffersOption = OFFERS,
    nats_servers: Annotated[
        int, typer.Option(min=1, max=5, help="Of `up`: 1, or a cluster of 3 or 5.")
    ] = 1,
    database: Annotated[
        Choice, typer.Option(help="auto: PostgreSQL where it is installed.")
    ] = Choice.AUTO,
    mounts: Annotated[
        bool,
        typer.Option(
            help="Put ledger and database on small disks, if any is to be full (root)."
        ),
    ] = True,
    work_dir: Annotated[
        Path | None,
        typer.Option(help="Made, and kept with all logs; else a temporary one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start a system of its own, break it under load in all the ways there are, and
    check that nothing answered is lost. The limits of a user (CABRANK_USER_…) are
    lifted to a million each, and an offer lives 2 s (CABRANK_OFFER_TTL_S).
    """
    log.configure("chaos", "error")
    chosen = random.SystemRandom().getrandbits(32) if seed is None else seed
    if pairs is None:
        pairs = PAIRS if count is None else 0.0
    # Small, and in memory, where an fsync costs nothing: only for what needs them.
    wants_small_disks = nats_servers == 1 and not FULL_KINDS.isdisjoint(only or Kind)
    # First of all: what is started from now on lives in it.
    laid, no_network = _network(nats_servers)
    with contextlib.ExitStack() as stack:
        data_dir, base, own_disks = stack.enter_context(
            _places(work_dir, database, mounts=mounts and wants_small_disks)
        )
        kinds = _kinds(only, nats_servers, base, no_network, own_disks=own_disks)
        if no_network is not None:
            typer.echo(f"{Kind.CUT_LEDGER_LEADER} is left out: {no_network}", err=True)
        running = stack.enter_context(
            system.running(data_dir, base.url, EACH, nats_servers, laid)
        )
        # In the data directory, so that its logs are kept or gone with all else.
        there = stack.enter_context(endpoints.listening(data_dir))
        say, told = stack.enter_context(output.progress())
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        order = Order(
            chosen,
            kinds,
            count,
            duration,
            pause,
            hold,
            pairs,
            riders,
            drivers,
            Habits(think_s=think, step_s=(min(0.02, step), step), wants_offers=offers),
            own_disks,
        )
        chaos = Chaos(order, running, base, there, say=say, told=told)
        outcome = runner.run(_chaos(chaos))
    output.show(outcome, as_json=as_json)
    if outcome.violation_count:
        raise typer.Exit(1)
