"""Whether, and when, a request over HTTP is sent again. Pure."""

from cabrank_client import policy
from cabrank_client.errors import CabrankError, NotAuthenticated, Refused


class Tries:
    """Of one request. What doesn't repeat is sent once; but a token that isn't taken
    means that nothing was done, so that another may be tried, once.
    """

    def __init__(self, *, repeats: bool, ends_at_s: float) -> None:
        self._repeats = repeats
        self._ends_at_s = ends_at_s
        self._attempt = 0
        self.rejected: str | None = None

    def wait_s(
        self, error: CabrankError, token: str | None, now_s: float, random: float
    ) -> float:
        """Seconds until the next try.

        Raises:
            CabrankError: that error: there is none.
        """
        if isinstance(error, NotAuthenticated) and token and self.rejected is None:
            self.rejected = token
            return 0.0
        if not (self._repeats and isinstance(error, Refused) and error.retryable):
            raise error
        wait_s = policy.backoff_s(self._attempt, random)
        wait_s = max(wait_s, error.retry_after_s or 0.0)
        self._attempt += 1
        if now_s + wait_s > self._ends_at_s:
            raise error
        return wait_s
