"""Writes dashboards/*.json: `python deploy/observe/grafana/make.py`.

The tables below are the dashboards; a test holds the files to them, and runs each query
against a real Prometheus.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24  # Grafana's grid
HEIGHT = 7


class Line(NamedTuple):
    query: str
    legend: str


class Panel(NamedTuple):
    title: str
    unit: str
    """Grafana's name of it."""
    lines: list[Line]
    kind: str = "timeseries"
    width: int = 8


def quantiles(metric: str, by: str = "", where: str = "") -> list[Line]:
    """p50 and p99 of a histogram, for each value of a label."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rates = f"sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return [
        Line(f"histogram_quantile({q}, {rates})", f"p{q * 100:.0f}{legend}")
        for q in (0.5, 0.99)
    ]


def rate(metric: str, by: str, where: str = "") -> list[Line]:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return [Line(f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))", legend)]


def last(query: str, legend: str) -> list[Line]:
    return [Line(query, legend)]


IN_REGION = '{region=~"$region"}'
SERVICES = '{job=~"gateway|dispatcher|persistence|webhooks"}'

# fmt: off
OVERVIEW = {
    "Now": [
        Panel("Leaders", "none", last(f"sum by (region) (cabrank_dispatcher_leads{IN_REGION})", "{{region}}"), "stat", 4),
        Panel("Epoch", "none", last(f"max by (region) (cabrank_dispatcher_epoch{IN_REGION})", "{{region}}"), "stat", 4),
        Panel("Sessions", "none", last("sum by (role) (cabrank_gateway_connections)", "{{role}}"), "stat", 4),
        Panel("Active trips", "none", last(f"sum by (status) (cabrank_dispatcher_trips{IN_REGION})", "{{status}}"), "stat", 4),
        Panel("Database behind", "s", last(f"max by (region) (cabrank_dispatcher_unwritten_seconds{IN_REGION})", "{{region}}"), "stat", 4),
        Panel("Processes that answer", "none", last(f"sum by (job) (up{SERVICES})", "{{job}}"), "stat", 4),
    ],
    "Commands (rate, errors, duration)": [
        Panel("Commands answered", "ops", rate("cabrank_dispatcher_commands_total", "kind", IN_REGION)),
        Panel("Refusals to clients", "ops", rate("cabrank_gateway_refusals_total", "code")),
        Panel("Command, at the gateway", "s", quantiles("cabrank_gateway_command_seconds")),
        Panel("Record, at the leader", "s", quantiles("cabrank_dispatcher_record_seconds", "region", IN_REGION)),
        Panel("Commit (fsync and acknowledgement)", "s", quantiles("cabrank_dispatcher_commit_seconds", "region", IN_REGION)),
        Panel("Fan-out, decision to last socket", "s", quantiles("cabrank_gateway_fanout_seconds")),
    ],
    "Drivers and offers": [
        Panel("Drivers", "none", last(f"sum by (state) (cabrank_dispatcher_drivers{IN_REGION})", "{{state}}")),
        Panel("Offers by their end", "cpm", last(f"sum by (end) (rate(cabrank_dispatcher_offers_ended_total{IN_REGION}[$__rate_interval])) * 60", "{{end}}")),
        Panel("Declined or expired, of 15 min", "percentunit", last(f"region:cabrank_unaccepted_offers:ratio15m{IN_REGION}", "{{region}}")),
        Panel("Request to first offer", "s", quantiles("cabrank_dispatcher_first_offer_seconds", "region", IN_REGION)),
        Panel("Request to driver", "s", quantiles("cabrank_dispatcher_match_seconds", "region", IN_REGION)),
        Panel("Open for the longest", "s", last(f"max by (region) (cabrank_dispatcher_oldest_open_seconds{IN_REGION})", "{{region}}")),
        Panel("Trips, by how a driver is found", "cpm", last(f"sum by (how) (rate(cabrank_dispatcher_matchings_total{IN_REGION}[$__rate_interval])) * 60", "{{how}}")),
        Panel("Told to all after offers, of 15 min", "percentunit", last(f"region:cabrank_exhausted_trips:ratio15m{IN_REGION}", "{{region}}")),
        Panel("Without a fresh position", "percentunit", last(f"region:cabrank_stale_drivers:ratio{IN_REGION}", "{{region}}")),
    ],
    "HTTP and persistence (rate, errors, duration)": [
        Panel("HTTP requests", "reqps", rate("cabrank_gateway_http_requests_total", "route, status")),
        Panel("HTTP duration", "s", quantiles("cabrank_gateway_http_request_seconds", "route")),
        Panel("Questions to persistence", "ops", rate("cabrank_persistence_requests_total", "operation, outcome")),
        Panel("Their duration", "s", quantiles("cabrank_persistence_request_seconds", "operation")),
        Panel("Rows written", "wps", rate("cabrank_persistence_rows_total", "table")),
        Panel("Transaction", "s", quantiles("cabrank_persistence_commit_seconds")),
    ],
}

INTERNALS = {
    "Lag and queues": [
        Panel("Records not written", "none", last(f"max by (region) (cabrank_dispatcher_unwritten_records{IN_REGION})", "{{region}}")),
        Panel("Records in hand of a writer", "none", last("cabrank_persistence_held_records", "{{instance}}")),
        Panel("Standby behind by", "none", last(f"cabrank_dispatcher_lag_records{IN_REGION}", "{{instance}} {{region}}")),
        Panel("Commands that wait for the leader", "none", last(f"cabrank_dispatcher_queue_commands{IN_REGION}", "{{instance}} {{region}}")),
        Panel("Commands without an answer", "none", last("cabrank_gateway_pending_commands", "{{instance}}")),
        Panel("Requests that wait for persistence", "none", last("cabrank_persistence_waiting_requests", "{{instance}}")),
    ],
    "Webhooks": [
        Panel("Tries, by what came of them", "ops", rate("cabrank_webhooks_attempts_total", "outcome")),
        Panel("Until an endpoint answers", "s", quantiles("cabrank_webhooks_attempt_seconds")),
        Panel("Deliveries that wait, behind the ledger", "none", [
            Line("max by (webhook) (cabrank_webhooks_waiting_deliveries)", "{{webhook}}"),
            Line("max by (region) (cabrank_webhooks_lag_records)", "records {{region}}"),
        ]),
    ],
    "Leader and ledger": [
        Panel("Who leads", "none", last(f"cabrank_dispatcher_leads{IN_REGION}", "{{instance}} {{region}}")),
        Panel("Takeovers and step-downs", "none", [
            Line(f"sum by (region) (increase(cabrank_dispatcher_takeovers_total{IN_REGION}[$__rate_interval]))", "takeovers {{region}}"),
            Line(f"sum by (region, why) (increase(cabrank_dispatcher_step_downs_total{IN_REGION}[$__rate_interval]))", "{{why}} {{region}}"),
        ]),
        Panel("Dropped, raised, retried, unreadable", "ops", [
            Line(f"sum by (reason) (rate(cabrank_dispatcher_dropped_total{IN_REGION}[$__rate_interval]))", "dropped: {{reason}}"),
            Line(f"sum(rate(cabrank_dispatcher_decide_exceptions_total{IN_REGION}[$__rate_interval]))", "deciding raised"),
            Line(f"sum(rate(cabrank_dispatcher_appends_retried_total{IN_REGION}[$__rate_interval]))", "appends retried"),
            Line(f"sum(rate(cabrank_dispatcher_bad_records_total{IN_REGION}[$__rate_interval]))", "bad records"),
        ]),
        Panel("Ledger", "bytes", [
            Line(f"max by (region) (cabrank_dispatcher_ledger_bytes{IN_REGION})", "{{region}}"),
            Line(f"max by (region) (cabrank_dispatcher_ledger_bytes_max{IN_REGION}) > 0", "limit {{region}}"),
        ]),
        Panel("Ledger's records", "none", [
            Line(f"max by (region) (cabrank_dispatcher_ledger_records{IN_REGION})", "held {{region}}"),
            Line(f"max by (region) (cabrank_dispatcher_ledger_last_record{IN_REGION})", "last {{region}}"),
        ]),
        Panel("Record", "bytes", quantiles("cabrank_dispatcher_record_bytes", "region", IN_REGION)),
        Panel("Answers a record", "none", quantiles("cabrank_dispatcher_batch_commands", "region", IN_REGION)),
        Panel("Rooms", "none", [
            Line(f"sum by (region) (cabrank_dispatcher_rooms{IN_REGION})", "rooms {{region}}"),
            Line(f"sum by (region) (cabrank_dispatcher_members{IN_REGION})", "members {{region}}"),
            Line(f"sum by (region) (cabrank_dispatcher_messages_held{IN_REGION})", "messages held {{region}}"),
        ]),
        Panel("Gateways the leader hears", "none", last(f"max by (region) (cabrank_dispatcher_gateways{IN_REGION})", "{{region}}")),
    ],
    "Matching": [
        Panel("A turn of the matcher", "s", quantiles("cabrank_dispatcher_matching_seconds", "region", IN_REGION)),
        Panel("The matcher's share of a core", "percentunit", rate("cabrank_dispatcher_matching_seconds_sum", "region", IN_REGION)),
        Panel("Offers made, rounds recorded, lost", "ops", [
            Line(f"sum by (region) (rate(cabrank_dispatcher_offers_made_total{IN_REGION}[$__rate_interval]))", "offers {{region}}"),
            Line(f"sum by (region) (rate(cabrank_dispatcher_rounds_total{IN_REGION}[$__rate_interval]))", "rounds {{region}}"),
            Line(f"sum by (region) (rate(cabrank_dispatcher_observations_lost_total{IN_REGION}[$__rate_interval]))", "lost {{region}}"),
        ]),
        Panel("Positions held", "none", last(f"max by (region) (cabrank_dispatcher_positions_held{IN_REGION})", "{{region}}")),
    ],
    "Gateways": [
        Panel("Sessions", "none", last("sum by (instance) (cabrank_gateway_connections)", "{{instance}}")),
        Panel("Frames in", "ops", rate("cabrank_gateway_frames_in_total", "instance")),
        Panel("Deliveries", "ops", rate("cabrank_gateway_deliveries_total", "from")),
        Panel("Writes and bytes out", "none", [
            Line("sum by (instance) (rate(cabrank_gateway_writes_total[$__rate_interval]))", "writes {{instance}}"),
            Line("sum by (instance) (rate(cabrank_gateway_sent_bytes_total[$__rate_interval]))", "bytes {{instance}}"),
        ]),
        Panel("Handshakes", "ops", rate("cabrank_gateway_handshakes_total", "status")),
        Panel("State asked for", "ops", rate("cabrank_gateway_syncs_total", "why")),
        Panel("Resends and slow consumers", "ops", [
            Line("sum(rate(cabrank_gateway_resends_total[$__rate_interval]))", "commands sent again"),
            Line("sum(rate(cabrank_gateway_slow_consumers_total[$__rate_interval]))", "closed with 4001"),
        ]),
        Panel("Connected to NATS", "none", last("cabrank_gateway_nats_connected", "{{instance}}")),
        Panel("Rooms with sessions", "none", last("cabrank_gateway_rooms", "{{instance}}")),
    ],
    "Processes": [
        Panel("CPU", "percentunit", last(f"rate(process_cpu_seconds_total{SERVICES}[$__rate_interval])", "{{instance}}")),
        Panel("Memory", "bytes", last(f"process_resident_memory_bytes{SERVICES}", "{{instance}}")),
        Panel("Open files", "none", last(f"process_open_fds{SERVICES}", "{{instance}}")),
    ],
}
# fmt: on


def panel(number: int, made: Panel, x: int, y: int) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": line.query,
            "legendFormat": line.legend,
        }
        for index, line in enumerate(made.lines)
    ]
    return {
        "id": number,
        "type": made.kind,
        "title": made.title,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": made.width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": made.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def rows(table: dict[str, list[Panel]]) -> list[dict[str, Any]]:
    """The panels under a heading each, left to right."""
    made: list[dict[str, Any]] = []
    y = 0
    for title, panels in table.items():
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        row = {"id": len(made) + 1, "type": "row", "title": title, "gridPos": place}
        made.append(row)
        x, y = 0, y + 1
        for one in panels:
            if x + one.width > WIDTH:
                x, y = 0, y + HEIGHT
            made.append(panel(len(made) + 1, one, x, y))
            x += one.width
        y += HEIGHT
    return made


def dashboard(uid: str, title: str, table: dict[str, list[Panel]]) -> dict[str, Any]:
    region = {
        "name": "region",
        "label": "Region",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(cabrank_dispatcher_leads, region)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": uid,
        "title": title,
        "tags": ["cabrank"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [region]},
        "links": [{"type": "dashboards", "tags": ["cabrank"], "title": "cabrank"}],
        "panels": rows(table),
    }


def documents() -> dict[str, str]:
    """Each file's name and text."""
    made = {
        "overview": dashboard("cabrank-overview", "cabrank: overview", OVERVIEW),
        "internals": dashboard("cabrank-internals", "cabrank: internals", INTERNALS),
    }
    return {
        f"{name}.json": json.dumps(one, indent=1) + "\n" for name, one in made.items()
    }


if __name__ == "__main__":
    for name, text in documents().items():
        (FOLDER / name).write_text(text)
