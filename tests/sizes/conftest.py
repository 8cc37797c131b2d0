"""Everything at its largest: each test has a size that CI has time for, and the full
one of `make sizes`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from persistence import database
from persistence.models import Base

FULL = os.environ.get("SIZES") == "full"


def size(small: int, full: int) -> int:
    """How many, or how large: `full` under `make sizes`."""
    return full if FULL else small


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = database.plain_engine(f"sqlite:///{tmp_path}/data.db")
    Base.metadata.create_all(made)
    yield made
    made.dispose()
