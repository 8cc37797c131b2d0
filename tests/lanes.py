"""How the tests are dealt out to pytest-xdist's workers: whole systems in one lane,
everything else in another. Must not know any test.
"""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

STARTS_SYSTEMS = (
    ("tests", "browser"),
    ("tests", "chaos"),
    ("tests", "contract", "cabrank"),
    ("tests", "e2e"),
    ("tests", "sizes"),
)
"""Folders whose tests start `cabrank up`, and some break it: two at a time would take
each other's processors, and could be given the same free port."""


def lane(nodeid: str) -> str:
    folders = PurePath(nodeid.partition("::")[0]).parts
    starts = any(folders[: len(those)] == those for those in STARTS_SYSTEMS)
    return "whole systems" if starts else "parts"


class Lanes(LoadScopeScheduling):
    """Two lanes, however many workers: within one the order is always that of the
    files, so that who runs after whom is no matter of chance.
    """

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
