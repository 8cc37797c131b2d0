"""Prometheus metrics of persistence."""

from prometheus_client import Counter, Gauge, Histogram

QUICK_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

requests = Counter(
    "cabrank_persistence_requests",
    "Requests over NATS, by operation and outcome (answered, or a refusal's code)",
    ["operation", "outcome"],
)
request_seconds = Histogram(
    "cabrank_persistence_request_seconds",
    "Seconds a handler took",
    ["operation"],
    buckets=QUICK_S,
)
waiting_requests = Gauge(
    "cabrank_persistence_waiting_requests",
    "Requests in line because as many as may be are being answered",
)
lag_records = Gauge(
    "cabrank_persistence_lag_records",
    "Records of ledgers, and of MATCHES (no region), not yet acknowledged, by region",
    ["region"],
)
held_records = Gauge(
    "cabrank_persistence_held_records",
    "Ledger records in hand and not yet written",
)
batch_events = Histogram(
    "cabrank_persistence_batch_events",
    "Events written in one transaction",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
)
commit_seconds = Histogram(
    "cabrank_persistence_commit_seconds",
    "Seconds from begin to commit of a batch",
    buckets=QUICK_S,
)
records = Counter(
    "cabrank_persistence_records", "Ledger records acknowledged, by region", ["region"]
)
rows = Counter(
    "cabrank_persistence_rows", "Rows sent to the database, by table", ["table"]
)
dead_letters = Counter(
    "cabrank_persistence_dead_letters", "Events and records that can't become rows"
)
unreadable_observations = Counter(
    "cabrank_persistence_unreadable_observations",
    "Rounds and positions in MATCHES that can't be read, and were let go of",
)
database_away = Gauge(
    "cabrank_persistence_database_away",
    "1 while the database takes no batch, and records are handed back",
)
retries = Counter(
    "cabrank_persistence_retries",
    "Batches handed back because the database was away, by kind of error",
    ["error"],
)
log_ins_throttled = Counter(
    "cabrank_persistence_log_ins_throttled",
    "Log-ins refused since too many had failed, for that user or that address",
)
sign_ups_throttled = Counter(
    "cabrank_persistence_sign_ups_throttled",
    "Sign-ups refused since too many had come from that address",
)
dropped_rows = Counter(
    "cabrank_persistence_dropped_rows",
    "Rows let go of since they were older than CABRANK_HISTORY_KEPT_DAYS or "
    "CABRANK_MATCHES_KEPT_S, by table",
    ["table"],
)
