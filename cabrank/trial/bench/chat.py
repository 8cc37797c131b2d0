"""`cabrank bench chat`: what a message to a full room costs the gateways, and how soon
all have heard it.

Bursts: in every room so many messages at once; deliveries per second of the gateways'
CPU, and none may be lost. Then a steady rate: from sending to when the last member has
heard. Every message is durable before its sender is answered.
"""

import asyncio
import contextlib
import statistics
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX
from cabrank.trial.bench import output, system, windows
from cabrank.trial.bench.chat_orders import Order, Summary, Window
from cabrank.trial.bench.orders import Member
from cabrank.trial.load import report
from cabrank.trial.load.users import Account, from_data_dir, sign_up
from cabrank.trial.load.web import Web
from schemas.codec import decode, encode
from schemas.trips import Role

WARM_UP_BURSTS = 5
CHATTER = ("-m", "cabrank.trial.bench.chatter")


class Run(Struct):
    """One window. `cpu_s`: by service, `load` being the members' own process.
    `per_cpu_s`: deliveries per second of the gateways' CPU.
    """

    kind: str
    messages: int
    deliveries: int
    seconds: float
    per_s: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: dict[str, float]


class Outcome(Struct):
    rooms: int
    members: int
    runs: list[Run]
    losses: int
    troubles: dict[str, int]


async def _users(base: str, data_dir: Path | None, count: int) -> list[Account]:
    if data_dir is not None:
        return await from_data_dir(data_dir, Role.RIDER, count)
    web = Web(base)
    made = await sign_up(web, Role.RIDER, count, lambda: None)
    web.close()
    return made


def run(window: Window, used_s: dict[str, float]) -> Run:
    gateway_s = used_s.get("gateway", 0.0)
    used_s["load"] = window.cpu_s
    p50_ms, p99_ms = window.latencies_ms
    return Run(
        window.kind,
        window.messages,
        window.deliveries,
        window.seconds,
        window.deliveries / window.seconds,
        window.deliveries / gateway_s if gateway_s else 0.0,
        p50_ms,
        p99_ms,
        used_s,
    )


def command(  # noqa: PLR0917 (typer reads options, not positions)
    rooms: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Rooms.")] = 20,
    members: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Members of each.")
    ] = 50,
    burst: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Messages at once, a room.")
    ] = 20,
    bursts: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Bursts of a run.")
    ] = 25,
    rate: Annotated[
        float, typer.Option(min=1, max=SECONDS_MAX, help="Steady: messages/s.")
    ] = 200,
    duration: Annotated[
        float, typer.Option(min=0, max=SECONDS_MAX, help="Steady: seconds.")
    ] = 10,
    runs: Annotated[
        int, typer.Option(min=1, max=COUNT_MAX, help="Runs of each kind.")
    ] = 3,
    data_dir: output.DataDir = None,
    url: output.Url = None,
    database_url: Annotated[
        str | None, typer.Option(help="Database of the system to start.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deliveries per CPU-second in full rooms, and how soon all have heard."""
    base, data_dir = system.chosen(url, data_dir, database_url)
    with contextlib.ExitStack() as stack, report.progress() as say:
        if base is None:
            if data_dir is None:
                data_dir = Path(stack.enter_context(system.temporary())) / "data"
            say(f"starting a system in {data_dir} ({system.file_system(data_dir)})")
            base = stack.enter_context(system.running(data_dir, database_url))
        accounts = asyncio.run(_users(base, data_dir, rooms * members))
        people = [Member(account.user, account.access) for account in accounts]
        by_room = [people[n * members : (n + 1) * members] for n in range(rooms)]
        say(f"{rooms} rooms of {members}, {runs} runs")
        order = Order(
            base, by_room, WARM_UP_BURSTS, runs, bursts, burst, rate, duration
        )
        found, last = windows.run(CHATTER, order, data_dir)
    made = [run(decode(line, Window), used_s) for line, used_s in found]
    summary = decode(last, Summary)
    outcome = Outcome(rooms, members, made, summary.lost, summary.troubles)
    if as_json:
        print(msgspec.json.format(encode(outcome)).decode())
    else:
        _show(outcome)
    if outcome.losses or outcome.troubles:
        raise typer.Exit(1)


def _middle(values: list[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:,.2f} ({min(values):,.2f} to {max(values):,.2f})"


def _show(outcome: Outcome) -> None:
    console = report.out()
    for kind in ("burst", "steady"):
        runs = [run for run in outcome.runs if run.kind == kind]
        if not runs:
            continue
        shown = report.table(
            f"{kind}, {outcome.rooms} rooms of {outcome.members}, {len(runs)} runs",
            "",
            "median (least to most)",
        )
        shown.add_row("deliveries/s", _middle([run.per_s for run in runs]))
        shown.add_row(
            "deliveries per gateway CPU-second",
            _middle([run.per_cpu_s for run in runs]),
        )
        shown.add_row("all heard p50 ms", _middle([run.p50_ms for run in runs]))
        shown.add_row("all heard p99 ms", _middle([run.p99_ms for run in runs]))
        for name in runs[0].cpu_s:
            cost = [1e6 * r.cpu_s.get(name, 0.0) / max(1, r.messages) for r in runs]
            shown.add_row(f"CPU µs a message, {name}", _middle(cost))
        console.print(shown)
    messages = sum(run.messages for run in outcome.runs)
    console.print(f"{messages} messages · losses {outcome.losses}")
    for trouble, times in outcome.troubles.items():
        console.print(f"  {times} times: {trouble}", markup=False)
