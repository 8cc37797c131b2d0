"""Whether operations that took a while can be put in one order: the search of Wing and
Gong (1993), with Lowe's memory of what was tried (2017). Pure; knows no trips.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from msgspec import Struct

NEVER = float("inf")
STATES_MAX = 200_000
"""Of one search; beyond, there is no verdict. A schedule's trips need some tens."""


class Op(Struct, eq=False):
    """Takes effect at one moment between `start` and `end`, or (`may_be_lost`) never.
    `steps` gives the states that it may lead to; none: it can't have happened there.
    """

    start: float
    end: float
    steps: Callable[[Any], Iterable[Hashable]]
    may_be_lost: bool = False


class TooManyStates(Exception):  # noqa: N818
    """The search was given up: there is no verdict."""


def explains(ops: list[Op], initial: Hashable, is_final: Callable[[Any], bool]) -> bool:
    """Whether some order of `ops` fits their times and leads from `initial` to a final
    state.

    Raises:
        TooManyStates: more than `STATES_MAX` were looked at.
    """
    ops = sorted(ops, key=lambda op: op.start)
    everything = sum(1 << i for i, op in enumerate(ops) if not op.may_be_lost)
    stack: list[tuple[int, Hashable]] = [(0, initial)]
    seen = set(stack)
    while stack:
        done, state = stack.pop()
        if done & everything == everything and is_final(state):
            return True
        left = [(i, op) for i, op in enumerate(ops) if not done >> i & 1]
        by = min((op.end for _, op in left if not op.may_be_lost), default=NEVER)
        may_be_next = [(i, op) for i, op in left if op.start <= by]
        for i, op in may_be_next:
            if not op.may_be_lost and list(op.steps(state)) == [state]:
                # It changes nothing: whatever order there is, this may come first.
                may_be_next = [(i, op)]
                break
        for i, op in may_be_next:
            for after in op.steps(state):
                node = (done | 1 << i, after)
                if node not in seen:
                    seen.add(node)
                    stack.append(node)
        if len(seen) > STATES_MAX:
            raise TooManyStates
    return False
