"""The dispatcher's Prometheus metrics."""

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from runtime.distributions import Distributions
from schemas.events import Matching, OfferEnd

OFFER_ENDS = ("accepted", *get_args(OfferEnd))
MATCHINGS = tuple(how for how in get_args(Matching) if how)
DRIVER_STATES = ("free", "offered", "busy", "stale", "offline")

commands = Counter(
    "cabrank_dispatcher_commands",
    "Commands answered, by kind and outcome (ok, lookup, again or a refusal's code)",
    ["region", "kind", "outcome"],
)
dropped = Counter(
    "cabrank_dispatcher_dropped",
    "Messages not answered, by reason (late, unreadable, queue, undeliverable)",
    ["region", "reason"],
)
decide_exceptions = Counter(
    "cabrank_dispatcher_decide_exceptions",
    "Commands refused because deciding them raised: a bug of ours",
    ["region"],
)
batch_commands = Distributions(
    "cabrank_dispatcher_batch_commands",
    "Answers that one record carried",
    ["region"],
    buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
)
record_bytes = Distributions(
    "cabrank_dispatcher_record_bytes",
    "Size of a ledger record",
    ["region"],
    buckets=tuple(256 * 4**k for k in range(7)),
)
commit_seconds = Distributions(
    "cabrank_dispatcher_commit_seconds",
    "From a record's sending to its acknowledgement",
    ["region"],
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1, 4),
)
record_seconds = Distributions(
    "cabrank_dispatcher_record_seconds",
    "From a record's first command to its answers: the longest that any of them took",
    ["region"],
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 1, 4),
)
observations_lost = Counter(
    "cabrank_dispatcher_observations_lost",
    "Rounds of the matching and positions on active trips that could not be told",
    ["region"],
)
appends_retried = Counter(
    "cabrank_dispatcher_appends_retried",
    "Records sent again because no acknowledgement came",
    ["region"],
)
queue_commands = Gauge(
    "cabrank_dispatcher_queue_commands",
    "Commands that wait undecided because the open record is full",
    ["region"],
)
dispatchers = Gauge(
    "cabrank_dispatcher_dispatchers", "Dispatchers that are there, this one included"
)
leads = Gauge(
    "cabrank_dispatcher_leads", "1 where this process leads the region", ["region"]
)
epoch = Gauge(
    "cabrank_dispatcher_epoch", "Epoch of this process's latest lead", ["region"]
)
lag_records = Gauge(
    "cabrank_dispatcher_lag_records",
    "Ledger records this standby has not applied yet",
    ["region"],
)
takeovers = Counter(
    "cabrank_dispatcher_takeovers", "Leads this process has won", ["region"]
)
step_downs = Counter(
    "cabrank_dispatcher_step_downs",
    "Leads this process has given up, by why (deposed, full, unknown, unsent)",
    ["region", "why"],
)
bad_records = Counter(
    "cabrank_dispatcher_bad_records",
    "Messages in the ledger skipped, since no leader of this ledger wrote them",
    ["region"],
)
stands_aside = Gauge(
    "cabrank_dispatcher_stands_aside",
    "1 where this process does not follow the region: it can't read a record",
    ["region"],
)
ledger_records = Gauge(
    "cabrank_dispatcher_ledger_records", "Records the ledger holds", ["region"]
)
ledger_bytes = Gauge(
    "cabrank_dispatcher_ledger_bytes", "Bytes the ledger takes on disk", ["region"]
)
ledger_bytes_max = Gauge(
    "cabrank_dispatcher_ledger_bytes_max",
    "Bytes the ledger may take (CABRANK_LEDGER_BYTES_MAX); 0: no limit of its own",
    ["region"],
)
ledger_last_record = Gauge(
    "cabrank_dispatcher_ledger_last_record", "Sequence of the last record", ["region"]
)
nats_store_bytes = Gauge(
    "cabrank_dispatcher_nats_store_bytes",
    "Bytes that a NATS server of CABRANK_NATS_MONITORING_URLS has on disk",
    ["server"],
)
nats_store_bytes_max = Gauge(
    "cabrank_dispatcher_nats_store_bytes_max",
    "Bytes that it may have there (max_file_store): past them it takes no write",
    ["server"],
)
unwritten_records = Gauge(
    "cabrank_dispatcher_unwritten_records",
    "Ledger records from the first that persistence has not acknowledged on",
    ["region"],
)
unwritten_seconds = Gauge(
    "cabrank_dispatcher_unwritten_seconds",
    "Age of the first ledger record that persistence has not acknowledged; 0: none",
    ["region"],
)
snapshot_bytes = Gauge(
    "cabrank_dispatcher_snapshot_bytes", "Size of the latest snapshot", ["region"]
)
snapshot_record = Gauge(
    "cabrank_dispatcher_snapshot_record",
    "Ledger sequence of the latest snapshot",
    ["region"],
)
purged_record = Gauge(
    "cabrank_dispatcher_purged_record",
    "Ledger sequence the latest purge kept from",
    ["region"],
)
positions_held = Gauge(
    "cabrank_dispatcher_positions_held", "Drivers whose position is known", ["region"]
)
drivers = Gauge(
    "cabrank_dispatcher_drivers",
    "Drivers who may be offered trips, by state (free, offered, busy, stale, offline);"
    " busy counts all who are on a trip",
    ["region", "state"],
)
matchings = Counter(
    "cabrank_dispatcher_matchings",
    "Trips by how a driver is found for them: offered (nearest, waiting for positions),"
    " or told to all, by reason (setting, no_pick_up, no_positions, offers_max,"
    " too_long); a trip may begin with one and go on with another",
    ["region", "how"],
)
offers_made = Counter(
    "cabrank_dispatcher_offers_made", "Offers made to drivers", ["region"]
)
offers_ended = Counter(
    "cabrank_dispatcher_offers_ended",
    "Offers that ended, by how (accepted, declined, expired, taken, cancelled,"
    " withdrawn); one accepted too late is expired, then accepted",
    ["region", "end"],
)
first_offer_seconds = Histogram(
    "cabrank_dispatcher_first_offer_seconds",
    "From a trip's opening to its first offer",
    ["region"],
    buckets=(0.01, 0.1, 0.5, 1, 2, 5, 15, 30, 45, 60, 120, 300),
)
match_seconds = Histogram(
    "cabrank_dispatcher_match_seconds",
    "From a trip's opening to its driver, by an offer or not",
    ["region"],
    buckets=(1, 2, 4, 8, 15, 30, 45, 60, 90, 120, 180, 300, 600),
)
oldest_open_seconds = Gauge(
    "cabrank_dispatcher_oldest_open_seconds",
    "Age of the trip that has been open, without a driver, for the longest; 0: none is",
    ["region"],
)
rounds = Counter(
    "cabrank_dispatcher_rounds",
    "Rounds of the matching recorded: one an offer, one a trip that lost a driver",
    ["region"],
)
matching_seconds = Histogram(
    "cabrank_dispatcher_matching_seconds",
    "Time a leader looked for drivers, a turn",
    ["region"],
    buckets=(0.00005, 0.0001, 0.0003, 0.001, 0.003, 0.005, 0.01, 0.03, 0.1),
)
rooms_peopled = Gauge(
    "cabrank_dispatcher_rooms", "Rooms that have members (not trips' own)", ["region"]
)
members = Gauge("cabrank_dispatcher_members", "Members over all rooms", ["region"])
messages_held = Gauge(
    "cabrank_dispatcher_messages_held", "Chat messages in memory", ["region"]
)
gateways = Gauge(
    "cabrank_dispatcher_gateways", "Gateways heard of in the last seconds", ["region"]
)
trips = Gauge(
    "cabrank_dispatcher_trips", "Trips that have not ended", ["region", "status"]
)


def begin(region: str) -> None:
    """Count from zero what has not happened yet: a counter that appears with its first
    event shows no increase.
    """
    for reason in ("late", "unreadable", "queue", "undeliverable"):
        dropped.labels(region, reason)
    for counter in (
        decide_exceptions,
        appends_retried,
        takeovers,
        bad_records,
        observations_lost,
        offers_made,
        rounds,
    ):
        counter.labels(region)
    for how in MATCHINGS:
        matchings.labels(region, how)
    for end in OFFER_ENDS:
        offers_ended.labels(region, end)
    for why in ("deposed", "full", "unknown", "resigned", "unsent"):
        step_downs.labels(region, why)
    for gauge in (leads, lag_records, queue_commands, stands_aside):
        gauge.labels(region).set(0)


def end(region: str) -> None:
    """This process has nothing to do with the region any more."""
    for gauge in (leads, lag_records, queue_commands, stands_aside, epoch):
        gauge.remove(region)
