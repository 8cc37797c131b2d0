"""When a program that died is started again. Pure: no clock, no processes."""

STEADY_S = 10.0
"""One that ran this long and then died begins anew: it is started at once."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
START_FAILURES_MAX = 5
"""Deaths before it was ever ready after which it is given up."""


class Restarts:
    """The deaths of one program so far."""

    __slots__ = ("_quick", "failures")

    def __init__(self) -> None:
        self._quick = 0
        self.failures = 0
        """All its deaths since it was started or since `was_ready`."""

    def was_ready(self) -> None:
        self.failures = 0

    def died(self, after_s: float) -> float:
        """It died `after_s` seconds after its start.

        Returns:
            Seconds to wait before it is started again: 0, then 0.1, doubling to 5.
        """
        self.failures += 1
        self._quick = 1 if after_s >= STEADY_S else self._quick + 1
        if self._quick == 1:
            return 0.0
        return min(BACKOFF_FIRST_S * 2.0 ** min(self._quick - 2, 16), BACKOFF_MAX_S)

    @property
    def hopeless(self) -> bool:
        """Whether it failed so often that it can't be hoped to start ever."""
        return self.failures >= START_FAILURES_MAX
