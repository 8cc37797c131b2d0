"""What Prometheus hears of a gateway: its WebSockets and HTTP.

HTTP's labels are route templates and codes, never raw paths.
"""

from prometheus_client import Counter, Gauge, Histogram

from runtime.distributions import Distributions
from schemas.refusals import Code
from schemas.trips import Role

CONNECTIONS = Gauge(
    "cabrank_gateway_connections", "Live WebSocket sessions by role", ["role"]
)
CONNECTIONS_OF = {role: CONNECTIONS.labels(role.value) for role in Role}
FRAMES_IN = Counter("cabrank_gateway_frames_in_total", "Text frames from clients")
WRITES = Counter(
    "cabrank_gateway_writes_total", "Writes to sockets; one may hold many frames"
)
BYTES_OUT = Counter("cabrank_gateway_sent_bytes", "Bytes written to WebSockets")
REFUSALS = Counter("cabrank_gateway_refusals_total", "Refused frames by code", ["code"])
for _code in Code:  # one that appears with its first event shows no increase
    REFUSALS.labels(_code.value)
CLOSES = Counter("cabrank_gateway_closes_total", "Closes by us, by code", ["code"])
HANDSHAKES = Counter(
    "cabrank_gateway_handshakes_total", "Upgrade requests by HTTP status", ["status"]
)
UPGRADED = HANDSHAKES.labels("101")
PENDING = Gauge("cabrank_gateway_pending_commands", "Commands without an answer")
COMMAND_SECONDS = Distributions(
    "cabrank_gateway_command_seconds",
    "From a command's frame to its answer",
    buckets=(0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
).labels()
FANOUT_SECONDS = Distributions(
    "cabrank_gateway_fanout_seconds",
    "From the decision of a tick's oldest event to the last socket of this gateway, by "
    "the wall clocks of both machines",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
).labels()
RESENDS = Counter("cabrank_gateway_resends_total", "Commands sent again")
SLOW_CONSUMERS = Counter(
    "cabrank_gateway_slow_consumers_total", "Sessions closed with 4001"
)
DELIVERIES = Counter(
    "cabrank_gateway_deliveries_total", "Event frames queued for a session", ["from"]
)
SYNCS = Counter("cabrank_gateway_syncs_total", "Questions for state", ["why"])
WELCOMES = SYNCS.labels("welcome")
NATS_CONNECTED = Gauge("cabrank_gateway_nats_connected", "1 while NATS is there")

FEED_DELIVERIES = DELIVERIES.labels("feed")
USER_DELIVERIES = DELIVERIES.labels("user")
MOVED_DELIVERIES = DELIVERIES.labels("moved")
ROOM_DELIVERIES = DELIVERIES.labels("room")

WATCHERS = Gauge(
    "cabrank_gateway_watchers", "Operators' sessions that watch a region (`ops.watch`)"
)
ROOMS = Gauge("cabrank_gateway_rooms", "Rooms that this gateway hears")

REQUESTS = Counter(
    "cabrank_gateway_http_requests_total",
    "HTTP requests answered",
    ["route", "method", "status"],
)
REQUEST_SECONDS = Histogram(
    "cabrank_gateway_http_request_seconds",
    "Time from a request's head to its answer's head",
    ["route"],
    # A log-in is 45 ms of argon2 and waits behind others; 5 s is the asker's limit.
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are one label, since anybody can make them up."""


def count_request(route: str, method: str, status: int) -> None:
    label = method if method in METHODS else "other"
    REQUESTS.labels(route, label, str(status)).inc()
