"""One frame as rich renderables. Pure: no terminal, no time."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cabrank.operate.top.figures import Frame, Process, Region

LAG_WARN_S = 5.0
LAG_BAD_S = 30.0
"""deploy/observe/prometheus/alerts.yml: CabrankPersistenceLags."""
KIB = 1024
NOTHING = "-"
STATUSES = (
    ("REQUESTED", "open"),
    ("STARTED", "started"),
    ("ARRIVED", "arrived"),
    ("IN_PROGRESS", "driving"),
)


STATES = ("free", "offered", "busy", "stale", "offline")
"""Of drivers, as the dispatcher's metrics have them."""
EPOCH = "epoch: how often the region has got a leader, this one included"


def render(frame: Frame, *, help_line: bool = False) -> RenderableType:
    parts: list[RenderableType] = [_head(frame), _regions(frame), _processes(frame)]
    if frame.regions:
        parts.append(Text(EPOCH, style="dim"))
    if help_line:
        parts.append(Text("q or Ctrl-C ends", style="dim"))
    return Group(*parts)


def _head(frame: Frame) -> Text:
    text = Text()
    text.append("cabrank ", style="bold")
    text.append(f"{frame.at}  ", style="dim")
    roles = [f"{count} {role}s" for role, count in frame.connections.items() if count]
    text.append(f"sessions: {', '.join(roles) or 'none'}")
    text.append(
        f"\nfrom frame to answer p50 {_ms(frame.p50_ms)}, p99 {_ms(frame.p99_ms)}"
    )
    text.append(f"   fan-out p99 {_ms(frame.fanout_p99_ms)}")
    down = [process.name for process in frame.processes if not process.is_up]
    if down:
        text.append(f"\nno answer: {', '.join(down)}", style="bold red")
    return text


def _table(words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, expand=True, pad_edge=False, collapse_padding=True
    )
    for name in words:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _regions(frame: Frame) -> RenderableType:
    """Three tables, so that each fits 80 columns."""
    if not frame.regions:
        return Text("no dispatcher answers", style="bold red")
    leaders = _table(
        ("region", "leader", "standby"),
        ("epoch", "queue", "ledger", "database behind"),
    )
    trips = _table(
        ("region",),
        (*(title for _, title in STATUSES), "cmd/s", "refused", "p50", "p99"),
    )
    drivers = _table(
        ("region",), (*STATES, "offers/min", "accepted", "open for longest")
    )
    for region in frame.regions:
        leaders.add_row(*_leader(region))
        trips.add_row(*_trips(region))
        drivers.add_row(*_drivers(region))
    return Group(leaders, trips, drivers)


def _leader(region: Region) -> list[RenderableType]:
    style = "green" if region.leader else "bold red"
    lag = region.standby_lag_records
    standby = ", ".join(region.standbys) + (f" (-{lag})" if lag else "")
    return [
        Text(region.name, style="bold"),
        Text(region.leader or "none", style=style),
        Text(standby) if region.standbys else Text("none", style="yellow"),
        str(region.epoch),
        str(region.queue),
        _bytes(region.ledger_bytes),
        _behind(region),
    ]


def _trips(region: Region) -> list[RenderableType]:
    return [
        Text(region.name, style="bold"),
        *(str(region.trips.get(status, NOTHING)) for status, _ in STATUSES),
        _number(region.commands_per_s),
        _number(region.refused_per_s),
        _ms(region.p50_ms),
        _ms(region.p99_ms),
    ]


def _drivers(region: Region) -> list[RenderableType]:
    share, oldest_s = region.accepted_share, region.oldest_open_s
    return [
        Text(region.name, style="bold"),
        *(str(region.drivers.get(state, NOTHING)) for state in STATES),
        _number(region.offers_per_min),
        NOTHING if share is None else f"{share * 100:.0f} %",
        NOTHING if oldest_s is None else f"{oldest_s:.0f} s",
    ]


def _behind(region: Region) -> Text:
    seconds = region.unwritten_s
    style = "red" if seconds > LAG_BAD_S else "yellow" if seconds > LAG_WARN_S else ""
    return Text(f"{region.unwritten_records} rec, {seconds:.1f} s", style=style)


def _processes(frame: Frame) -> Table:
    table = _table(
        ("process", "state"), ("CPU", "memory", "sessions", "frames out/s", "waiting")
    )
    for process in frame.processes:
        table.add_row(*_process(process))
    return table


def _process(process: Process) -> list[RenderableType]:
    if not process.is_up:
        return [process.name, Text("no answer", style="bold red")]
    state = Text("up", style="green")
    if process.is_cut_off:
        other = "database" if process.job == "persistence" else "NATS"
        state = Text(f"no {other}", style="bold red")
    is_gateway = process.job == "gateway"
    return [
        process.name,
        state,
        NOTHING if process.cpu is None else f"{process.cpu * 100:.0f} %",
        _bytes(process.rss_bytes),
        str(process.connections) if is_gateway else "",
        _number(process.sent_per_s) if is_gateway else "",
        str(process.waiting),
    ]


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f} ms"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if value < KIB:
            return f"{value:.0f} {unit}"
        value /= KIB
    return f"{value:.1f} GiB"
