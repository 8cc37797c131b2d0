"""Prometheus metrics of the webhooks service."""

from prometheus_client import Counter, Gauge, Histogram

attempts = Counter(
    "cabrank_webhooks_attempts",
    "Tries, by what came of them (taken, failed, dead)",
    ["outcome"],
)
attempt_seconds = Histogram(
    "cabrank_webhooks_attempt_seconds",
    "Seconds until an endpoint answered, or was given up",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
events = Counter(
    "cabrank_webhooks_events", "Events of ledgers read, by region", ["region"]
)
gone_records = Counter(
    "cabrank_webhooks_gone_records",
    "Ledger records that were gone before they were read, by region",
    ["region"],
)
lag_records = Gauge(
    "cabrank_webhooks_lag_records",
    "Records of a ledger that this worker reads and has yet to take in, by region",
    ["region"],
)
waiting = Gauge(
    "cabrank_webhooks_waiting_deliveries",
    "Deliveries that wait for an endpoint, by webhook",
    ["webhook"],
)
in_flight = Gauge(
    "cabrank_webhooks_in_flight", "Lines of deliveries that are being tried"
)
OUTCOMES = ("taken", "failed", "dead")
for _outcome in OUTCOMES:
    attempts.labels(_outcome)  # its first is an increase
