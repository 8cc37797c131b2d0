"""Start the whole system or one of its services, and replace what runs."""

import math
from pathlib import Path
from typing import Annotated

import typer

from cabrank import services
from cabrank.errors import UsageError
from cabrank.stack.datadir import DEFAULT


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
    webhooks: Annotated[
        int, typer.Option(min=1, max=64, help="Workers that deliver webhooks.")
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
        typer.Option(
            min=1, max=5, help="1, or a cluster of 3 or 5, any of which may die."
        ),
    ] = None,
    nats_home: Annotated[
        list[str] | None,
        # For `cabrank chaos`: of each server CLIENTS,SERVERS,NAMESPACE (embedded.py).
        typer.Option(hidden=True),
    ] = None,
) -> int:
    """Start everything on this machine and keep it running."""
    from cabrank.stack.embedded import Home
    from cabrank.stack.up import Options, run

    return run(
        Options(
            host=host,
            port=port,
            data_dir=data_dir,
            gateways=gateways,
            dispatchers=dispatchers,
            persistence=persistence,
            webhooks=webhooks,
            database_url=database_url,
            share_port=share_port,
            nats_servers=nats_servers,
            nats_homes=[Home(*text.split(",")) for text in nats_home or ()],
        )
    )


def demo(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Where everything is kept; made if missing.")
    ] = Path(".cabrank-demo"),
    drivers: Annotated[
        int, typer.Option(min=1, max=2000, help="How many live in the city.")
    ] = 20,
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=60, help="How much faster than ours its time goes."),
    ] = 1.0,
    policy: Annotated[
        str | None,
        typer.Option(help="nearest or broadcast, as CABRANK_MATCHING has it."),
    ] = None,
) -> int:
    """Start everything with a city in it: drivers and riders on Monaco's streets."""
    from cabrank.demo.run import run
    from cabrank.stack.up import Options

    if math.isnan(speed):  # compares with no bound
        raise UsageError("--speed is nan; it can be 0.1 to 60.")
    options = Options(
        host=host,
        port=port,
        data_dir=data_dir,
        gateways=1,
        dispatchers=1,
        persistence=1,
        database_url=None,
    )
    return run(options, drivers, speed, policy)


def restart(
    data_dir: Annotated[
        Path, typer.Option(help="Data directory of a running `cabrank up`.")
    ] = DEFAULT,
) -> int:
    """Restart the services of a running `up` one after another, without an outage."""
    from cabrank.stack.rolling import restart as roll

    for name in roll(data_dir):
        print(f"{name} restarted", flush=True)
    return 0


def gateway() -> int:
    """Run one gateway: WebSocket and HTTP on CABRANK_PORT."""
    return services.serve("gateway")


def dispatcher() -> int:
    """Run one dispatcher: leads its regions, or stands by."""
    return services.serve("dispatcher")


def persistence() -> int:
    """Run one persistence worker: database, accounts, history."""
    return services.serve("persistence")


def webhooks() -> int:
    """Run one webhooks worker: records out to other people's endpoints."""
    return services.serve("webhooks")


def migrate() -> int:
    """Bring the database of CABRANK_DATABASE_URL to the newest revision."""
    from cabrank.operate.migrate import run

    run()
    return 0
