"""`cabrank bench`: what the whole system does per second, and what a trip costs."""

import typer

from cabrank.bench.chat import command as chat
from cabrank.bench.connections import command as bench_connections
from cabrank.bench.fanout import command as bench_fanout
from cabrank.bench.lifecycle import command
from cabrank.bench.locations import command as bench_locations

app = typer.Typer(help="Measure this system.", no_args_is_help=True)
app.command("lifecycle")(command)
app.command("chat")(chat)
app.command("fanout")(bench_fanout)
app.command("connections")(bench_connections)
app.command("locations")(bench_locations)


@app.callback()
def _keep_subcommands() -> None:
    """Measure this system."""
