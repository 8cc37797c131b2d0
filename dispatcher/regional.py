"""All that a decision about rooms looks at."""

from msgspec import Struct

from dispatcher.limits import Limits
from dispatcher.presence import Attending
from dispatcher.ring import Ring
from dispatcher.state import State


class Regional(Struct, frozen=True, gc=False):
    state: State
    ring: Ring
    presence: Attending
    limits: Limits
