"""What a lead tells of itself. Metrics, spans and log lines alone."""

import time

import structlog
from prometheus_client import Counter

from dispatcher import metrics
from dispatcher.engine.batch import Batch, Batcher
from dispatcher.engine.drivers import counts
from dispatcher.engine.engine import Engine
from runtime import tracing
from schemas.commands import Command

log = structlog.get_logger()


class LeadMetrics:
    """Of one lead. What counts each record is looked up once: `labels` takes longer
    than counting.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._commands: dict[tuple[type[Command], str], Counter] = {}
        self._record_bytes = metrics.record_bytes.labels(region)
        self._batch_commands = metrics.batch_commands.labels(region)
        self._commit_seconds = metrics.commit_seconds.labels(region)
        self._record_seconds = metrics.record_seconds.labels(region)

    def sent(self, batch: Batch) -> None:
        """A record is under way."""
        self._record_bytes.observe(len(batch.payload))
        self._batch_commands.observe(len(batch.entries))

    def stored(self, batch: Batch, now_ms: int, commit_s: float) -> None:
        """It is stored, `commit_s` after it was sent; `now_ms` is a stamp."""
        self._commit_seconds.observe(commit_s)
        if batch.entries:
            took_ms = max(0, now_ms - batch.stamp_ms)
            self._record_seconds.observe(took_ms / 1000)
        if batch.traced:
            end_ns = time.time_ns()
            start_ns = end_ns - int(commit_s * 1e9)
            for trace in batch.traced:
                name = "dispatcher commit"
                tracing.record(name, trace, start_ns, end_ns, record=batch.n)

    def tell_tally(self, batcher: Batcher) -> None:
        """What was decided since it was last told, and what raised; it begins anew."""
        for key, count in batcher.tally.items():
            counter = self._commands.get(key)
            if counter is None:
                counter = self._commands[key] = self._counter(*key)
            counter.inc(count)
        batcher.tally.clear()
        for command, error in batcher.faults:
            metrics.decide_exceptions.labels(self._region).inc()
            log.error(
                "deciding raised",
                region=self._region,
                command=command.id,
                user=command.by.id,
                exc_info=error,
            )
        batcher.faults.clear()

    def _counter(self, command: type[Command], outcome: str) -> Counter:
        """By the command's tag on the wire: `accept`."""
        kind = str(command.__struct_config__.tag)
        return metrics.commands.labels(self._region, kind, outcome)

    def tell_state(self, engine: Engine) -> None:
        """How much there is of what."""
        region = self._region
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
