"""Throws away what has had its time: audit rows, full buckets, devices, sessions.

Every worker does, now and then; twice is once. Must not touch what the ledger made.
"""

import asyncio
import time

import structlog
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence import devices, log_book, throttle
from persistence.models import RefreshTokenRow

log = structlog.get_logger()

ROUND_S = 600.0
"""Far below any retention; a bucket that is full for ten minutes takes 100 bytes."""


async def sweep(engine: AsyncEngine, now_ms: int, audit_ttl_s: float) -> None:
    async with engine.begin() as connection:
        await log_book.forget(connection, now_ms - round(audit_ttl_s * 1000))
    async with engine.begin() as connection:
        await throttle.forget_full(connection, now_ms)
    async with engine.begin() as connection:
        await devices.forget(connection, now_ms)
    async with engine.begin() as connection:
        expired = RefreshTokenRow.expires_at_ms <= now_ms
        await connection.execute(delete(RefreshTokenRow).where(expired))


async def run(engine: AsyncEngine, audit_ttl_s: float) -> None:
    """For ever."""
    while True:
        try:
            await sweep(engine, time.time_ns() // 1_000_000, audit_ttl_s)
        except (SQLAlchemyError, OSError) as error:
            log.warning("what is past its time stays for now", error=repr(error)[:300])
        await asyncio.sleep(ROUND_S)
