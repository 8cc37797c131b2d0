"""The machine's clocks, in milliseconds. Shell."""

import time

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

TICK_S = 0.1
RESTFUL_MS = 2_000
"""Who rests looks again within a second, which may be 1.1 of a region's time: what is
due later than that is no reason to stay awake."""


def wall_ms() -> int:
    """Since 1970; leaps when it is set."""
    return time.time_ns() // 1_000_000


def steady_ms() -> float:
    """Only ever grows; on Linux while the machine sleeps, too (clock_gettime(2))."""
    return time.clock_gettime(_STEADY) * 1000
