"""The figures of one frame, computed from all processes' windows. Pure.

Also the shape of `cabrank top --json`; a figure that nothing tells is null.
"""

import math
from collections.abc import Mapping

from msgspec import Struct

from cabrank.operate.top.sample import Sample, Window, quantile, rate, window


class Target(Struct, frozen=True):
    """A process that serves metrics. `job` empty: its metrics will tell."""

    name: str
    job: str
    address: str


class Process(Struct, frozen=True):
    """`is_up` false: it did not answer, and the rest is null or 0."""

    name: str
    job: str
    is_up: bool
    cpu: float | None = None
    """Cores."""
    rss_bytes: int = 0
    connections: int = 0
    sent_per_s: float | None = None
    """Gateways: event frames to clients."""
    waiting: int = 0
    """What it holds unanswered (gateway, dispatcher) or unwritten (persistence)."""
    is_cut_off: bool = False
    """A gateway without NATS, or persistence without its database."""


class Region(Struct, frozen=True):
    """`leader` null: nobody leads, or nobody who does answers."""

    name: str
    leader: str | None
    epoch: int
    standbys: list[str]
    standby_lag_records: int
    trips: dict[str, int]
    commands_per_s: float | None
    refused_per_s: float | None
    p50_ms: float | None
    """From a record's first command to its answers."""
    p99_ms: float | None
    unwritten_records: int
    unwritten_s: float
    ledger_bytes: int
    queue: int
    drivers: dict[str, int] = {}
    """Who may be offered trips, by state."""
    offers_per_min: float | None = None
    accepted_share: float | None = None
    """Of offers that were accepted, declined or let expire; null: none ended so."""
    oldest_open_s: float | None = None
    """Of trips without a driver; 0: none is open."""


class Frame(Struct, frozen=True):
    at: str
    """RFC 3339."""
    regions: list[Region]
    processes: list[Process]
    connections: dict[str, int]
    """By role."""
    p50_ms: float | None
    """Commands at the gateways, frame to answer."""
    p99_ms: float | None
    fanout_p99_ms: float | None
    """From an event's decision to a gateway's last socket."""


def compute(
    at: str,
    targets: list[Target],
    now: Mapping[str, Sample],
    before: Mapping[str, Sample],
) -> Frame:
    """`now`, `before`: by address; who did not answer is missing."""
    windows = {
        target.name: window(now[target.address], before.get(target.address))
        for target in targets
        if target.address in now
    }
    known = list(windows.values())
    roles: dict[str, int] = {}
    for one in known:
        for role, count in one.now.by("cabrank_gateway_connections", "role").items():
            roles[role] = roles.get(role, 0) + int(count)
    names = {
        name
        for one in known
        for name in one.now.label("cabrank_dispatcher_leads", "region")
    }
    command, fanout = (
        "cabrank_gateway_command_seconds",
        "cabrank_gateway_fanout_seconds",
    )
    return Frame(
        at,
        [_region(name, windows) for name in sorted(names)],
        [_process(target, windows.get(target.name)) for target in targets],
        roles,
        _ms(quantile(known, 0.5, command)),
        _ms(quantile(known, 0.99, command)),
        _ms(quantile(known, 0.99, fanout)),
    )


def _region(name: str, windows: Mapping[str, Window]) -> Region:
    leads = "cabrank_dispatcher_leads"
    here = {
        process: one
        for process, one in windows.items()
        if one.now.has(leads, region=name)
    }
    leading = [p for p, one in here.items() if one.now.of(leads, region=name)]
    epochs = "cabrank_dispatcher_epoch"
    leader = max(
        leading, key=lambda p: here[p].now.of(epochs, region=name), default=None
    )
    standbys = sorted(p for p in here if p != leader)

    def most(metric: str) -> float:
        return max(
            (one.now.of(metric, region=name) for one in here.values()), default=0
        )

    known = list(here.values())
    is_known = any(one.seconds for one in known)
    commands = "cabrank_dispatcher_commands_total"
    total = rate(known, commands, region=name)
    fine = sum(
        rate(known, commands, region=name, outcome=outcome)
        for outcome in ("ok", "again", "lookup")
    )

    def counts(metric: str, label: str) -> dict[str, int]:
        """The leader's."""
        if leader is None:
            return {}
        found = here[leader].now.by(metric, label, region=name)
        return {value: int(count) for value, count in found.items()}

    oldest = "cabrank_dispatcher_oldest_open_seconds"
    record = "cabrank_dispatcher_record_seconds"
    return Region(
        name,
        leader,
        int(most(epochs)),
        standbys,
        int(most("cabrank_dispatcher_lag_records")),
        counts("cabrank_dispatcher_trips", "status"),
        total if is_known else None,
        max(0.0, total - fine) if is_known else None,
        _ms(quantile(known, 0.5, record, region=name)),
        _ms(quantile(known, 0.99, record, region=name)),
        int(most("cabrank_dispatcher_unwritten_records")),
        most("cabrank_dispatcher_unwritten_seconds"),
        int(most("cabrank_dispatcher_ledger_bytes")),
        int(most("cabrank_dispatcher_queue_commands")),
        counts("cabrank_dispatcher_drivers", "state"),
        60 * rate(known, MADE, region=name) if is_known else None,
        _accepted_share(known, name),
        None if leader is None else here[leader].now.of(oldest, region=name),
    )


MADE = "cabrank_dispatcher_offers_made_total"


def _accepted_share(known: list[Window], region: str) -> float | None:
    ended = {
        end: rate(
            known, "cabrank_dispatcher_offers_ended_total", region=region, end=end
        )
        for end in ("accepted", "declined", "expired")
    }
    total = sum(ended.values())
    return ended["accepted"] / total if total else None


def job_of(sample: Sample) -> str:
    """Which service these metrics are of."""
    for job in ("webhooks", "gateway", "dispatcher", "persistence"):
        if any(name.startswith(f"cabrank_{job}_") for name in sample.values):
            return job
    return ""


def _process(target: Target, one: Window | None) -> Process:
    if one is None:
        return Process(target.name, target.job, is_up=False)
    now = one.now
    job = target.job or job_of(now)
    nats = "cabrank_gateway_nats_connected"
    waiting = {
        "gateway": "cabrank_gateway_pending_commands",
        "dispatcher": "cabrank_dispatcher_queue_commands",
        "persistence": "cabrank_persistence_held_records",
        "webhooks": "cabrank_webhooks_in_flight",
    }.get(job, "")
    return Process(
        target.name,
        job,
        is_up=True,
        cpu=rate([one], "process_cpu_seconds_total") if one.seconds else None,
        rss_bytes=int(now.of("process_resident_memory_bytes")),
        connections=int(now.of("cabrank_gateway_connections")),
        sent_per_s=(
            rate([one], "cabrank_gateway_deliveries_total")
            if job == "gateway" and one.seconds
            else None
        ),
        waiting=int(now.of(waiting)),
        is_cut_off=(now.has(nats) and not now.of(nats))
        or bool(now.of("cabrank_persistence_database_away")),
    )


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds * 1000
