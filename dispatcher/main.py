"""Wires the dispatcher: one NATS connection, and a placement of regions on it."""

import gc
import secrets
from collections.abc import Awaitable, Callable

from dispatcher.commit.durability import Watch
from dispatcher.placement.placement import Placement
from runtime import bus as buses
from runtime import lifecycle, log, nats_login, ops, tracing
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import permissions

GC_THRESHOLDS = (50_000, 20, 100)
"""Events live for minutes in the ring and hold no cycles: with Python's (700, 10, 10)
the collector walks them over and over. p99 at 128 commands in flight: 38 → 22 ms
(cabrank/trial/bench/leader.py, 2026-11-21)."""


def run(settings: Settings) -> int:
    """Serve `settings.regions` until SIGTERM; returns the exit status."""
    gc.set_threshold(*GC_THRESHOLDS)
    log.configure("dispatcher", settings.log_level)
    tracing.configure("dispatcher", settings)

    async def start(service: Service) -> Callable[[], Awaitable[None]]:
        return await _start(service, settings)

    return lifecycle.run("dispatcher", start)


async def _start(service: Service, settings: Settings) -> Callable[[], Awaitable[None]]:
    instance = secrets.token_hex(8)
    placements: list[Placement] = []

    def reconnected() -> None:
        for placement in placements:
            placement.reconnected()

    health = ops.serve(settings)
    bus = await buses.connect(
        settings.nats_url,
        f"dispatcher {instance}",
        login=nats_login.read(settings, permissions.Service.DISPATCHER),
        on_reconnect=reconnected,
        echo=False,  # its heartbeats and announcements are for others
    )
    service.watch("NATS connection", bus.broken)
    js = bus.jetstream(timeout=2)
    placement = Placement(service, bus, js, settings, instance)
    placements.append(placement)
    await placement.join()
    service.spawn("placement", placement.run())
    watch = Watch(bus, js, settings.region_list(), settings.monitoring_urls())
    service.spawn("durability", watch.run())

    def missing() -> str | None:
        if not bus.is_connected:
            return "NATS is not connected"
        return placement.missing() or watch.missing

    health.readiness = missing

    async def drain() -> None:
        await placement.leave()
        await bus.close()

    return drain
