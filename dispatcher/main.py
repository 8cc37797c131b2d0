"""Wires the dispatcher: one NATS connection, one `Region` for each that it serves."""

import gc
import secrets
from collections.abc import Awaitable, Callable

from dispatcher.region import Region
from runtime import bus as buses
from runtime import lifecycle, log, nats_login, ops, tracing
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import permissions

GC_THRESHOLDS = (50_000, 20, 100)
"""Events live for minutes in the ring and hold no cycles: with Python's (700, 10, 10)
the collector walks them over and over. p99 at 128 commands in flight: 38 → 22 ms
(benchmarks/leader.py, 2026-11-21)."""


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
    regions: list[Region] = []

    def reconnected() -> None:
        for region in regions:
            region.reconnected()

    bus = await buses.connect(
        settings.nats_url,
        f"dispatcher {instance}",
        login=nats_login.read(settings, permissions.Service.DISPATCHER),
        on_reconnect=reconnected,
    )
    service.watch("NATS connection", bus.broken)
    js = bus.jetstream(timeout=2)
    regions += [
        Region(service, bus, js, name=name, settings=settings, instance=instance)
        for name in settings.region_list()
    ]
    runs = [service.spawn(f"region {region.name}", region.run()) for region in regions]

    def missing() -> str | None:
        if not bus.is_connected:
            return "NATS is not connected"
        for region in regions:
            if region.missing is not None:
                return f"region {region.name}: {region.missing}"
        return None

    if settings.ops_port:
        ops.serve(settings.host, settings.ops_port, missing)

    async def drain() -> None:
        for region in regions:
            region.resign()
        for task in runs:
            await task
        await bus.close()

    return drain
