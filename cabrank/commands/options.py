"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.trips import Role

DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of `cabrank up` whose database to use."),
]
RoleOption = Annotated[Role, typer.Option(help="rider, driver or operator.")]
UrlOption = Annotated[
    str | None,
    typer.Option(help="A gateway; by default that of the data directory's `up`."),
]
