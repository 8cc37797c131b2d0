"""Options that several commands take, and what their values may be."""

from pathlib import Path
from typing import Annotated

import typer

from cabrank.errors import UsageError, reason
from schemas.trips import Role

COUNT_MAX = 1_000_000
SECONDS_MAX = 365 * 86_400
"""Of what a trial counts and lasts: beyond that it is a slip of the keyboard."""


def writable(path: Path | None) -> Path | None:
    """Of a file that a command is to write, checked before its work begins.

    Raises:
        UsageError: it can't be written there.
    """
    if path is None:
        return None
    try:
        is_there = path.exists()
        path.open("ab").close()
        if not is_there:
            path.unlink()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in its name
        raise UsageError(f"{path} can't be written: {reason(error)}.") from None
    return path


DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of `cabrank up` whose database to use."),
]
OffersOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share of the drivers who ask for offers, and drive about."
    ),
]
RoleOption = Annotated[Role, typer.Option(help="rider, driver or operator.")]
UrlOption = Annotated[
    str | None,
    typer.Option(help="A gateway; by default that of the data directory's `up`."),
]
