"""How the tests are dealt out to pytest-xdist's workers: whole systems in one lane,
what shares servers in another, and the units, file by file, to whoever is free. Must
not know any test.
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


UNITS = ("tests", "unit")
"""They share nothing, so that any order of their files will do."""


def lane(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    folders = PurePath(file).parts
    if folders[: len(UNITS)] == UNITS:
        return file
    starts = any(folders[: len(those)] == those for those in STARTS_SYSTEMS)
    return "whole systems" if starts else "parts"


class Lanes(LoadScopeScheduling):
    """Two lanes, however many workers: within one the order is always that of the
    files, so that who runs after whom is no matter of chance. The largest go first
    (`--loadscope-reorder`, the default), so the units fill up what is left.
    """

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
