"""Keys that sign access tokens."""

from typing import Annotated

import typer

from cabrank.commands.helping import Group
from cabrank.commands.options import DataDirOption

app = typer.Typer(
    cls=Group, help="Keys that sign access tokens.", rich_markup_mode=None
)


@app.command("list")
def list_(data_dir: DataDirOption = None) -> int:
    """List the keys, the latest first, and what each is for."""
    from cabrank.operate import keys

    for line in keys.listing(data_dir):
        print(line)
    return 0


@app.command("rotate")
def rotate(
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
    from cabrank.operate import keys

    print(keys.rotate(data_dir, lead))
    return 0


@app.command("retire")
def retire(
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
    from cabrank.operate import keys

    retired = keys.retire(data_dir, kid, force=force)
    for gone in retired:
        print(f"{gone} retired")
    if not retired:
        print("Nothing to retire: each key signs, or good tokens need it.")
    return 0
