"""All that a decision looks at."""

from msgspec import Struct

from dispatcher.engine.limits import Limits
from dispatcher.engine.market import Market
from dispatcher.engine.presence import Attending
from dispatcher.engine.ring import Ring
from dispatcher.engine.state import State


class Regional(Struct, frozen=True, gc=False):
    state: State
    ring: Ring
    presence: Attending
    limits: Limits
    market: Market
