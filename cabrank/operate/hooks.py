"""`cabrank webhooks list`, `add`, `test`, `replay`: asked of persistence over NATS, as
an operator.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cabrank.errors import UnreachableError, UsageError, sentence
from cabrank.operate import target
from runtime import bus, log
from runtime.nats_trouble import ConnectError
from runtime.questions import Questions
from schemas import subjects
from schemas.codec import decode, encode
from schemas.webhooks import (
    AddWebhook,
    DeliveryTold,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    MadeWebhook,
    Replay,
    Webhook,
)

T = TypeVar("T")

BY = "command line"
"""As the audit log has it."""
TRIED_S = 25.0
"""For a test to be tried: 15 s of the endpoint's, and until the service looks."""
POLL_S = 0.2

Ask = Callable[[str, Any, Any], Awaitable[Any]]


def listed(data_dir: Path | None, *, as_json: bool) -> list[str]:
    """A line a webhook."""
    hooks = _run(data_dir, lambda ask: ask("list", ListWebhooks(), list[Webhook]))
    if as_json:
        return [encode(hook).decode() for hook in hooks]
    return [_line(hook) for hook in hooks] or ["There is no webhook."]


def _line(hook: Webhook) -> str:
    state = "active" if hook.active else f"not active ({hook.ended or 'switched off'})"
    return f"{hook.id}  {state}  {hook.url}  {' '.join(hook.events)}"


def add(
    url: str, events: list[str], description: str | None, data_dir: Path | None
) -> MadeWebhook:
    asked = AddWebhook(url=url, events=events, description=description, by=BY)
    made: MadeWebhook = _run(data_dir, lambda ask: ask("add", asked, MadeWebhook))
    return made


def replay(webhook: str, since: int, region: str | None, data_dir: Path | None) -> None:
    asked = Replay(webhook, BY, since, region)
    _run(data_dir, lambda ask: ask("replay", asked, None))


def test(webhook: str, data_dir: Path | None) -> DeliveryTold:
    """What the first try came to.

    Raises:
        UnreachableError: nobody tried it in time.
    """

    async def work(ask: Ask) -> DeliveryTold:
        made: DeliveryTold = await ask("test", GetWebhook(webhook), DeliveryTold)
        deadline = time.monotonic() + TRIED_S
        while time.monotonic() < deadline:
            rows = await ask("deliveries", ListDeliveries(webhook, 100), list[Any])
            for row in rows:
                if row["webhook_id"] == made.webhook_id and row["attempts"]:
                    return msgspec.convert(row, DeliveryTold)
            await asyncio.sleep(POLL_S)
        raise UnreachableError(
            f"Nobody tried it within {TRIED_S:.0f} s: does `cabrank webhooks` run?"
        )

    told: DeliveryTold = _run(data_dir, work)
    return told


def _run(data_dir: Path | None, work: Callable[[Ask], Awaitable[T]]) -> T:
    """Raises:
    UsageError: it was refused; the message says why.
    UnreachableError: nobody answered.
    """
    log.configure("webhooks", "error")
    return asyncio.run(_asking(target.find(data_dir), work))


async def _asking(to: target.Target, work: Callable[[Ask], Awaitable[T]]) -> T:
    try:
        control = await bus.connect(
            to.nats_url, "webhooks-command", login=to.nats_login(), forever=False
        )
    except ConnectError as error:
        raise UnreachableError(sentence(error)) from None
    questions = Questions(control)

    async def ask(operation: str, asked: Any, shape: Any) -> Any:
        result = await questions.ask(subjects.webhooks(operation), asked)
        if result.refused is None:
            data = b"null" if result.data is None else bytes(result.data)
            return decode(data, shape)
        kind = UnreachableError if result.refused.retryable else UsageError
        raise kind(sentence(ValueError(result.refused.message)))

    try:
        return await work(ask)
    finally:
        questions.close()
        await control.close()
