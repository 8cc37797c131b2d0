"""The webhooks process: wires who reads ledgers and who sends."""

import contextlib
from collections.abc import Awaitable, Callable

import nats.errors

from runtime import bus, lifecycle, nats_login, ops, tracing
from runtime import log as logs
from runtime.questions import Questions
from runtime.settings import Settings
from schemas import subjects
from schemas.permissions import Service
from webhooks.desk import Desk
from webhooks.reading import Reader
from webhooks.sends import Sends

SILENCE_MAX_S = 10.0
"""Not ready once persistence's last answer is so long ago."""


async def start(
    settings: Settings, service: lifecycle.Service, health: ops.Health
) -> Callable[[], Awaitable[None]]:
    """Start everything; returns the drain."""
    login = nats_login.read(settings, Service.WEBHOOKS)
    control = await bus.connect(settings.nats_url, "webhooks", login=login)
    service.watch("control connection", control.broken)
    questions = Questions(control, subjects.DELIVERY_RESULTS)
    desk = Desk(questions)
    sends = Sends(desk, service, private=bool(settings.webhooks_private))
    reader = Reader(control, desk, sends.know, sends.ring)
    reader.start(service)

    def readiness() -> str | None:
        if not control.is_connected:
            return "NATS is not connected"
        if reader.silence_s() > SILENCE_MAX_S:
            return f"persistence has not answered for {reader.silence_s():.0f} s"
        return None

    health.readiness = readiness

    async def drain() -> None:
        await reader.stop()
        await sends.stop()
        questions.close()
        with contextlib.suppress(nats.errors.Error):
            await control.flush()
        await control.close()

    return drain


def run(settings: Settings) -> int:
    """Run the service until SIGTERM; the process's exit status.

    Raises:
        SettingsError: the port, or a file that the settings name, can't be used.
    """
    logs.configure("webhooks", settings.log_level)
    nats_login.read(settings, Service.WEBHOOKS)
    health = ops.serve(settings)
    tracing.configure("webhooks", settings)
    return lifecycle.run("webhooks", lambda service: start(settings, service, health))
