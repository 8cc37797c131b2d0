"""What a lead tells of itself. Metrics, spans and log lines alone."""

import time

import structlog

from dispatcher import metrics
from dispatcher.engine.batch import Batch, Batcher
from dispatcher.engine.drivers import counts
from dispatcher.engine.engine import Engine
from runtime import tracing

log = structlog.get_logger()


def measure(region: str, batch: Batch, now_ms: int, commit_s: float) -> None:
    """A record is stored, `commit_s` after it was sent; `now_ms` is a stamp."""
    metrics.commit_seconds.labels(region).observe(commit_s)
    if batch.entries:
        took_ms = max(0, now_ms - batch.stamp_ms)
        metrics.record_seconds.labels(region).observe(took_ms / 1000)
    end_ns = time.time_ns()
    for trace in batch.traced:
        start_ns = end_ns - int(commit_s * 1e9)
        tracing.record("dispatcher commit", trace, start_ns, end_ns, record=batch.n)


def tell_tally(region: str, batcher: Batcher) -> None:
    """What was decided since it was last told, and what raised; it begins anew."""
    for (kind, outcome), count in batcher.tally.items():
        metrics.commands.labels(region, kind, outcome).inc(count)
    batcher.tally.clear()
    for command, error in batcher.faults:
        metrics.decide_exceptions.labels(region).inc()
        log.error(
            "deciding raised",
            region=region,
            command=command.id,
            user=command.by.id,
            exc_info=error,
        )
    batcher.faults.clear()


def tell_state(region: str, engine: Engine) -> None:
    """How much there is of what."""
    for status, count in engine.trips.items():
        metrics.trips.labels(region, status.value).set(count)
    rooms, members, messages = engine.rooms
    metrics.rooms_peopled.labels(region).set(rooms)
    metrics.members.labels(region).set(members)
    metrics.messages_held.labels(region).set(messages)
    metrics.gateways.labels(region).set(engine.gateways)
    metrics.positions_held.labels(region).set(engine.positions.held)
    for state, count in counts(engine.regional).items():
        metrics.drivers.labels(region, state).set(count)
