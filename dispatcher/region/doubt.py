"""Whether a leader may take itself for one without asking the ledger.

Another takes over where nobody answers pings: of a leader that hung, at once where its
connection broke. What it writes then the fence refuses, but what it tells unwritten,
where drivers are, nobody would. Pure; instants are monotonic seconds.
"""

from collections.abc import Callable

PAUSE_S = 1.0
"""Half of the silence after which a standby takes over (dispatcher/region/pinger.py);
a leader looks at what is due four times a second."""


class Doubt:
    """Of one lead, which has just begun. `connections`: how many its bus has had."""

    def __init__(
        self, now: Callable[[], float], connections: Callable[[], int]
    ) -> None:
        self._now = now
        self._connections = connections
        self._looked_s = now()
        self._connection = connections()
        self._since_s: float | None = None
        """Since when somebody else may have led, unheard."""

    def look(self) -> bool:
        """Whether there is one. To be called at least every `PAUSE_S`, and before
        anything is told.
        """
        now_s, connection = self._now(), self._connections()
        if now_s - self._looked_s > PAUSE_S or connection != self._connection:
            self._since_s = now_s
        self._looked_s, self._connection = now_s, connection
        return self._since_s is not None

    def end(self, asked_s: float) -> None:
        """The ledger, asked then or later, ended with a record of this lead."""
        if self._since_s is not None and asked_s >= self._since_s:
            self._since_s = None
