"""What a driver is offered, as far as their client was told, and whether they are
online. Tells the checks all of it.
"""

import asyncio
from collections.abc import Callable

from cabrank.trial.load import frames
from cabrank.trial.load.watch import Watch


class Asked:
    """`live`: offers that were not answered yet, by id."""

    def __init__(self, me: str, watch: Watch, changed: asyncio.Event) -> None:
        self.live: dict[str, frames.Offered] = {}
        self.online = True
        self._me = me
        self._watch = watch
        self._changed = changed

    def welcomed(self, welcome: frames.Welcome) -> None:
        self.live = {}
        for offered in welcome.offers:
            self._show(offered)
        if welcome.online is not None:
            self._stand(online=welcome.online)

    def takes(self, session: str, frame: frames.Frame) -> bool:
        """Whether it was for this."""
        take = _TAKES.get(frame.type)
        if take is None:
            return False
        if frame.seq is not None:
            self._watch.checker.offer(session, frame.seq, frame.type)
        take(self, frame)
        self._changed.set()
        return True

    def started(self, trip: str) -> None:
        """It is theirs: no offer of it lives."""
        left = self.live.items()
        self.live = {offer: one for offer, one in left if one.trip.id != trip}

    def _offered(self, frame: frames.Frame) -> None:
        self._show(frames.read_offered(frame.data))

    def _show(self, offered: frames.Offered) -> None:
        trip, number = offered.trip.id, offered.round
        self._watch.offers.shown(self._me, offered.offer, trip, number)
        self.live[offered.offer] = offered

    def _ended(self, frame: frames.Frame) -> None:
        ended = frames.read_offer_ended(frame.data)
        self._watch.offers.over(ended.offer, ended.id, ended.why)
        self.live.pop(ended.offer, None)

    def _state(self, frame: frames.Frame) -> None:
        self._stand(online=frames.read_driver_state(frame.data).online)

    def _stand(self, *, online: bool) -> None:
        self.online = online
        if not online:
            self._watch.checker.rests(self._me)


_TAKES: dict[str, Callable[[Asked, frames.Frame], None]] = {
    "trip.offered": Asked._offered,  # noqa: SLF001 - a table of its own methods
    "trip.offer_ended": Asked._ended,  # noqa: SLF001
    "driver.state": Asked._state,  # noqa: SLF001
}
