"""What a system of one's own must be given: keys, secrets, settings."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.permissions import Service


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
    from cabrank.stack import nats_auth as authorizing

    for line in authorizing.run(directory, rotate or [], retire or []):
        print(line)
    return 0


def secrets(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="deploy/secrets, for compose.yaml.")
    ],
    name: Annotated[
        list[str] | None,
        typer.Option(help="Of this host, for the proxy's certificate; several times."),
    ] = None,
) -> int:
    """Make what compose.yaml's containers must know, where it is missing."""
    from cabrank.operate import secrets as making

    for line in making.run(directory, name or ["localhost", "127.0.0.1", "::1"]):
        print(line)
    return 0


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """List every setting with its default."""
    import json

    from cabrank.operate import listing

    print(json.dumps(listing.rows(), indent=1) if as_json else listing.table())
    return 0
