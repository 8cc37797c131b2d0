"""How far rows and webhooks are behind ledgers: a number of records each. Only asks."""

import asyncio
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from persistence.delivery_models import WebhookCursorRow, WebhookRow
from persistence.history.freshness import Freshness
from persistence.history.past import Past
from persistence.responder import answered
from schemas.accounts import FindLags, Lag, Result
from schemas.events import record_of

_cursors: Any = WebhookCursorRow.__table__.c


class Lags:
    def __init__(self, past: Past, fresh: Freshness) -> None:
        self._past = past
        self._fresh = fresh

    async def of(self, question: FindLags) -> Result:
        """By region, those asked for."""
        read = await self._past.ask(partial(_read, question.regions))
        ends = await asyncio.gather(*map(self._fresh.ends, question.regions))
        return answered(
            {
                region: Lag(_behind(head, floor), _behind(head, read.get(region)))
                for region, (head, floor) in zip(question.regions, ends, strict=True)
            }
        )


def _read(regions: list[str], connection: Connection) -> dict[str, int]:
    """The last record that webhooks know, where there is a webhook at all."""
    some = select(WebhookRow.id).where(WebhookRow.active).limit(1)
    if connection.execute(some).first() is None:
        return {}
    among = [region for region in regions if "\0" not in region]
    wanted = select(_cursors.region, _cursors.seq).where(_cursors.region.in_(among))
    rows = connection.execute(wanted).all()
    return {region: record_of(seq)[0] for region, seq in rows}


def _behind(head: int | None, reached: int | None) -> int | None:
    return None if head is None or reached is None else max(0, head - reached)
