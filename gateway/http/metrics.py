"""What the HTTP side counts. Labels are route templates and codes, never raw paths."""

from prometheus_client import Counter, Histogram

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
