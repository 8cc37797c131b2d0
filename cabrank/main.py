"""The command line: reads options, calls what does the work, words what went wrong.

Commands import what they need themselves: a dispatcher's start is part of its failover
time, and Alembic or Litestar would double it.
"""
# ruff: noqa: PLC0415

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cabrank.datadir import DEFAULT
from cabrank.errors import CabrankError, UsageError
from schemas.permissions import Service
from schemas.trips import Role

INTERRUPTED = 130  # what shells give for a Ctrl-C

app = typer.Typer(
    name="cabrank",
    help="A dispatch backend: one winner per trip, nothing answered is lost.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
user_app = typer.Typer(help="Make, export and erase users.", rich_markup_mode=None)
app.add_typer(user_app, name="user")
keys_app = typer.Typer(help="Keys that sign access tokens.", rich_markup_mode=None)
app.add_typer(keys_app, name="keys")

DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of `cabrank up` whose database to use."),
]
RoleOption = Annotated[Role, typer.Option(help="rider, driver or operator.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cabrank {version('cabrank')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def up(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Where everything is kept; made if missing.")
    ] = DEFAULT,
    gateways: Annotated[
        int, typer.Option(min=1, max=64, help="Gateway k listens on PORT + k - 1.")
    ] = 1,
    dispatchers: Annotated[
        int, typer.Option(min=1, max=64, help="Each region has a leader and a standby.")
    ] = 1,
    persistence: Annotated[
        int, typer.Option(min=1, max=64, help="Database writers.")
    ] = 1,
    database_url: Annotated[
        str | None,
        typer.Option(help="postgresql://…; by default SQLite in the data directory."),
    ] = None,
    share_port: Annotated[
        bool,
        typer.Option("--share-port", help="All gateways listen on PORT as well."),
    ] = False,
    nats_servers: Annotated[
        int | None,
        typer.Option(help="1, or a cluster of 3 or 5, any of which may die."),
    ] = None,
) -> int:
    """Start everything on this machine and keep it running."""
    from cabrank.up import Options, run

    return run(
        Options(
            host,
            port,
            data_dir,
            gateways,
            dispatchers,
            persistence,
            database_url,
            share_port,
            nats_servers,
        )
    )


@app.command()
def restart(
    data_dir: Annotated[
        Path, typer.Option(help="Data directory of a running `cabrank up`.")
    ] = DEFAULT,
) -> int:
    """Restart the services of a running `up` one after another, without an outage."""
    from cabrank.rolling import restart as roll

    for name in roll(data_dir):
        print(f"{name} restarted", flush=True)
    return 0


def _service(name: str) -> int:
    from runtime import settings

    values = settings.load()
    status: int = importlib.import_module(f"{name}.main").run(values)
    return status


@app.command()
def gateway() -> int:
    """Run one gateway: WebSocket and HTTP on CABRANK_PORT."""
    return _service("gateway")


@app.command()
def dispatcher() -> int:
    """Run one dispatcher: leads its regions, or stands by."""
    return _service("dispatcher")


@app.command()
def persistence() -> int:
    """Run one persistence worker: database, accounts, history."""
    return _service("persistence")


@app.command()
def migrate() -> int:
    """Bring the database of CABRANK_DATABASE_URL to the newest revision."""
    from cabrank.migrate import run

    run()
    return 0


@app.command("nats-auth")
def nats_auth(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where seeds and auth.conf are kept.")
    ],
    rotate: Annotated[
        list[Service] | None,
        typer.Option(help="Give this service a new seed beside its present one."),
    ] = None,
    retire: Annotated[
        list[Service] | None,
        typer.Option(help="Take from this service the seed before a --rotate."),
    ] = None,
) -> int:
    """Make an nkey for each service and nats-server's permissions for them."""
    from cabrank import nats_auth as authorizing

    for line in authorizing.run(directory, rotate or [], retire or []):
        print(line)
    return 0


@app.command("secrets")
def secrets_(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="deploy/secrets, for compose.yaml.")
    ],
    name: Annotated[
        list[str] | None,
        typer.Option(help="Of this host, for the proxy's certificate; several times."),
    ] = None,
) -> int:
    """Make what compose.yaml's containers must know, where it is missing."""
    from cabrank import secrets

    for line in secrets.run(directory, name or ["localhost", "127.0.0.1", "::1"]):
        print(line)
    return 0


@app.command("settings")
def settings_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """List every setting with its default."""
    import json

    from cabrank import listing

    print(json.dumps(listing.rows(), indent=1) if as_json else listing.table())
    return 0


@user_app.callback()
def _user() -> None:
    """Make users, tell what is stored about them, erase them."""


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The username.")],
    role: RoleOption,
    first_name: Annotated[str, typer.Option(help="At most 150 characters.")] = "",
    last_name: Annotated[str, typer.Option(help="At most 150 characters.")] = "",
    data_dir: DataDirOption = None,
) -> int:
    """Make a user of any role; the password comes from standard input."""
    import asyncio

    from cabrank import users

    password = users.read_password()
    user = asyncio.run(
        users.add(
            username=name,
            password=password,
            role=role,
            first_name=first_name,
            last_name=last_name,
            data_dir=data_dir,
        )
    )
    print(f"{user.role} {user.username} has the id {user.id}")
    return 0


@user_app.command("export")
def user_export(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    data_dir: DataDirOption = None,
) -> int:
    """Print all that is stored about a user, as JSON."""
    import asyncio

    from cabrank import personal

    asyncio.run(personal.export(user, data_dir))
    return 0


@user_app.command("erase")
def user_erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    data_dir: DataDirOption = None,
) -> int:
    """Erase a user for good: names, messages, places, sessions; trips stay."""
    import asyncio

    from cabrank import personal

    personal.confirm(user, yes=yes)
    print(asyncio.run(personal.erase(user, data_dir)))
    return 0


@app.command()
def tokens(
    role: RoleOption,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many users.")],
    prefix: Annotated[str, typer.Option(help="What their usernames begin with.")] = "",
    data_dir: DataDirOption = None,
) -> int:
    """Make users for load tests; a line of JSON each, with a token for 24 h."""
    import asyncio

    from cabrank import users

    asyncio.run(users.print_tokens(role, count, prefix or role.value, data_dir))
    return 0


@app.command()
def audit(
    *,
    user: Annotated[
        str | None, typer.Option(help="Of this id or username only.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Of this kind only, such as log_in.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="An instant, or an age: 90m, 12h, 7d.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The newest so many.")
    ] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON each.")
    ] = False,
    data_dir: DataDirOption = None,
) -> int:
    """Show log-ins, refusals and what operators did, oldest first."""
    import asyncio

    from cabrank import audit as auditing

    asyncio.run(
        auditing.show(
            data_dir,
            user=user,
            action=action,
            since=since,
            limit=limit,
            as_json=as_json,
        )
    )
    return 0


@keys_app.command("list")
def keys_list(data_dir: DataDirOption = None) -> int:
    """List the keys, the latest first, and what each is for."""
    from cabrank import keys

    for line in keys.listing(data_dir):
        print(line)
    return 0


@keys_app.command("rotate")
def keys_rotate(
    lead: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=86_400,
            help="Seconds until it signs, by when all must know it; 120 by default.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> int:
    """Make a new key that takes over signing; nobody is logged out."""
    from cabrank import keys

    print(keys.rotate(data_dir, lead))
    return 0


@keys_app.command("retire")
def keys_retire(
    kid: Annotated[
        str | None,
        typer.Argument(metavar="KID", help="Default: all that are needed no more."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also one that good tokens need.")
    ] = False,
    data_dir: DataDirOption = None,
) -> int:
    """Take away keys whose tokens have all expired."""
    from cabrank import keys

    for gone in keys.retire(data_dir, kid, force=force):
        print(f"{gone} retired")
    return 0


UrlOption = Annotated[
    str | None,
    typer.Option(help="A gateway; by default that of the data directory's `up`."),
]


@app.command()
def say(
    room: Annotated[str, typer.Argument(metavar="ROOM", help="The room's name.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="At most 4,000 chars.")],
    data_dir: DataDirOption = None,
    url: UrlOption = None,
) -> int:
    """Send a message to a room, as an operator."""
    from cabrank import say as speaking

    seq = speaking.say(room, text, data_dir, url)
    print(f"message {seq} in {room}")
    return 0


@app.command()
def notify(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="The notice: an object.")],
    data_dir: DataDirOption = None,
    url: UrlOption = None,
) -> int:
    """Send a notice to all live sessions of a user, as an operator."""
    from cabrank import say as speaking

    speaking.notify(user, data, data_dir, url)
    return 0


@app.command()
def doctor(
    data_dir: DataDirOption = None,
    nats_monitor: Annotated[
        str | None,
        typer.Option(help="Monitoring URL of the NATS server, http://HOST:8222."),
    ] = None,
) -> int:
    """Check what the system depends on, and say what to do."""
    import asyncio

    from cabrank.doctor import Level, examine

    findings = asyncio.run(examine(data_dir, nats_monitor))
    for finding in findings:
        print(finding)
    return int(any(finding.level is Level.FAIL for finding in findings))


@app.command()
def top(
    *,
    data_dir: DataDirOption = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(help="A process's metrics, http://HOST:PORT; once for each."),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One frame, then end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON a frame.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Draw one frame into this file.")
    ] = None,
) -> int:
    """Show regions, leaders, rates and lags, live; q ends."""
    from cabrank.top.app import run as show

    return show(
        data_dir,
        metrics or [],
        interval_s=interval,
        once=once,
        as_json=as_json,
        svg=svg,
    )


@app.command()
def verify(
    data_dir: DataDirOption = None,
    wait: Annotated[
        bool, typer.Option(help="Wait until persistence has caught up, 30 s at most.")
    ] = True,
) -> int:
    """Compare ledger and database row by row: 0 equal, 1 different, 2 unknown."""
    from cabrank import verify as verifying

    return verifying.run(data_dir, wait=wait)


@app.command()
def rebuild(
    data_dir: DataDirOption = None,
    new_ledger: Annotated[
        bool,
        typer.Option(help="Begin a ledger in place of a lost one, above its numbers."),
    ] = False,
) -> int:
    """Replay the ledger into the database; what is there already stays."""
    from cabrank import rebuild as rebuilding

    return rebuilding.run(data_dir, new_ledger=new_ledger)


def _add_load_commands(arguments: list[str]) -> None:
    """Register simulate, chaos and bench where they are meant, or listed in the help:
    they import clients that no service needs.
    """
    first = next((a for a in arguments if not a.startswith("-")), None)
    listed = first is None and bool({"--help", "-h"} & set(arguments))
    if listed or first == "simulate":
        from cabrank.simulate import command as simulate

        app.command("simulate")(simulate)
    if listed or first == "chaos":
        from cabrank.chaos.command import command as chaos

        app.command("chaos")(chaos)
    if listed or first == "bench":
        from cabrank.bench import app as bench

        app.add_typer(bench, name="bench", no_args_is_help=False)


def run() -> int:
    """Run the command of `sys.argv`.

    Returns:
        Its exit status: 2 after a wrong option, setting or input, told in one plain
        sentence on standard error.
    """
    arguments = sys.argv[1:]
    try:
        _add_load_commands(arguments)
        status = app(arguments, prog_name="cabrank", standalone_mode=False)
    except TyperException as error:
        return _refuse(error.format_message(), error.exit_code)
    except CabrankError as error:
        return _refuse(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # `cabrank settings | head`
        sys.stderr.close()
        return 1
    except ValueError as error:
        from runtime.settings import SettingsError

        if isinstance(error, SettingsError):
            return _refuse(str(error), UsageError.exit_code)
        raise
    return status if isinstance(status, int) else 0


def _refuse(message: str, status: int) -> int:
    if status == UsageError.exit_code:
        message = " ".join(message.split())
    print(message, file=sys.stderr)
    return status
