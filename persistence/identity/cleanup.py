"""Throws away what has had its time: audit rows, full buckets, devices, sessions.

Every worker does, now and then; twice is once. Must not touch what the ledger made.
"""

import asyncio
import time

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.identity import devices
from persistence.models import AuditRow, DeviceRow, RefreshTokenRow, ThrottleRow

log = structlog.get_logger()

ROUND_S = 600.0
"""Far below any retention; a bucket that is full for ten minutes takes 100 bytes."""


BATCH = 1_000
"""Rows that go in one transaction: some ten milliseconds."""


async def sweep(engine: AsyncEngine, now_ms: int, audit_ttl_s: float) -> None:
    for key, when, until_ms in (
        (AuditRow.id, AuditRow.at_ms, now_ms - round(audit_ttl_s * 1000) - 1),
        # Full again, they say nothing.
        (ThrottleRow.key, ThrottleRow.full_at_ms, now_ms),
        (DeviceRow.mark, DeviceRow.seen_at_ms, now_ms - devices.KEPT_MS),
        (RefreshTokenRow.session_id, RefreshTokenRow.expires_at_ms, now_ms),
    ):
        oldest = select(key).where(when <= until_ms).order_by(when).limit(BATCH)
        gone = BATCH
        while gone == BATCH:
            async with engine.begin() as connection:
                keys = (await connection.execute(oldest)).scalars().all()
                # Asked again: a row may have been renewed meanwhile.
                old = delete(key.class_).where(key.in_(keys), when <= until_ms)
                await connection.execute(old)
            gone = len(keys)


async def run(engine: AsyncEngine, audit_ttl_s: float) -> None:
    """For ever."""
    while True:
        try:
            await sweep(engine, time.time_ns() // 1_000_000, audit_ttl_s)
        except (SQLAlchemyError, OSError) as error:
            log.warning("what is past its time stays for now", error=repr(error)[:300])
        await asyncio.sleep(ROUND_S)
