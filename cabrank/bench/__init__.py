"""`cabrank bench`: what the whole system does per second, and what a trip costs."""

import typer

from cabrank.bench.chat import command as chat
from cabrank.bench.lifecycle import command

app = typer.Typer(help="Measure this system.", no_args_is_help=True)
app.command("lifecycle")(command)
app.command("chat")(chat)


@app.callback()
def _keep_subcommands() -> None:
    """Measure this system."""
