"""Webhooks: the service that delivers, and what an operator says of them."""

from typing import Annotated, Any

import typer

from cabrank.commands import system
from cabrank.commands.helping import Group
from cabrank.commands.options import DataDirOption

app = typer.Typer(
    cls=Group,
    help="Run the service that delivers webhooks; or list, add, test, replay them.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
WebhookArgument = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")
]


@app.callback()
def _webhooks(context: typer.Context) -> int:
    """Run one webhooks worker; or list, add, test, replay webhooks."""
    if context.invoked_subcommand is None:
        raise typer.Exit(system.webhooks())
    return 0


@app.command("list")
def list_(
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON each.")
    ] = False,
    data_dir: DataDirOption = None,
) -> int:
    """List webhooks: id, whether active, URL, what for."""
    from cabrank.operate import hooks

    for line in hooks.listed(data_dir, as_json=as_json):
        print(line)
    return 0


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="http or https.")],
    event: Annotated[
        list[str],
        typer.Option(help="A type, such as trip.started, or trip.*; several times."),
    ],
    description: Annotated[
        str | None, typer.Option(help="For people; at most 256 characters.")
    ] = None,
    data_dir: DataDirOption = None,
) -> int:
    """Add a webhook; prints its id and, once, its secret."""
    from cabrank.operate import hooks

    made = hooks.add(url, event, description, data_dir)
    print(f"webhook {made.id}")
    print(f"secret  {made.secret}")
    return 0


@app.command("test")
def try_(webhook: WebhookArgument, data_dir: DataDirOption = None) -> int:
    """Send a webhook.test to the endpoint, and say what came of it: 0 taken."""
    from cabrank.operate import hooks

    told: Any = hooks.test(webhook, data_dir)
    print("taken" if told.status == "taken" else f"not taken: {told.error}")
    return int(told.status != "taken")


@app.command("replay")
def replay(
    webhook: WebhookArgument,
    since: Annotated[
        int,
        typer.Option(min=0, max=2**63 - 1, help="A seq: what came after it is sent."),
    ],
    region: Annotated[
        str | None, typer.Option(help="Whose seq; by default of all regions.")
    ] = None,
    data_dir: DataDirOption = None,
) -> int:
    """Send again what happened after a seq, as far as the ledger holds it."""
    from cabrank.operate import hooks

    hooks.replay(webhook, since, region, data_dir)
    print("It is being sent again.")
    return 0
