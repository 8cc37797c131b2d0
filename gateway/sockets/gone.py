"""A socket that is lost, to those who may yet say something about it."""

from gateway.clock import Now
from schemas.closes import Close


class Gone:
    """gateway/sockets/runner.py: Socket."""

    is_held = False

    def close(self, code: Close) -> None: ...

    def hold(self, until_s: float, now: Now) -> None: ...

    def resume(self, now_s: float) -> None: ...

    def schedule(self, now: Now) -> None: ...


GONE = Gone()
