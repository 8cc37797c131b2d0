"""Everything at its largest: each test has a size that CI has time for, and the full
one of `make sizes`.
"""

import os

FULL = os.environ.get("SIZES") == "full"


def size(small: int, full: int) -> int:
    """How many, or how large: `full` under `make sizes`."""
    return full if FULL else small
