"""`cabrank bench` and its subcommands."""

import typer

from cabrank.commands.helping import Group
from cabrank.trial.bench.chat import command as chat
from cabrank.trial.bench.connections import command as bench_connections
from cabrank.trial.bench.dispatch.command import command as dispatch
from cabrank.trial.bench.fanout import command as bench_fanout
from cabrank.trial.bench.flood import command as bench_flood
from cabrank.trial.bench.lifecycle import command
from cabrank.trial.bench.locations import command as bench_locations
from cabrank.trial.bench.matching import command as matching
from cabrank.trial.bench.offers import command as bench_offers
from cabrank.trial.bench.rest import command as bench_rest
from cabrank.trial.bench.scale.command import command as bench_scale
from cabrank.trial.load.lifted import NOTE

app = typer.Typer(cls=Group, help=f"Measure this system. {NOTE}", no_args_is_help=True)
app.command("lifecycle")(command)
app.command("chat")(chat)
app.command("fanout")(bench_fanout)
app.command("connections")(bench_connections)
app.command("flood")(bench_flood)
app.command("locations")(bench_locations)
app.command("rest")(bench_rest)
app.command("dispatch")(dispatch)
app.command("matching")(matching)
app.command("offers")(bench_offers)
app.command("scale")(bench_scale)


@app.callback(help=f"Measure this system. {NOTE}")
def _keep_subcommands() -> None:
    """So that there are subcommands."""
