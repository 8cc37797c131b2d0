import sqlite3

import psycopg
import psycopg.errors
import pytest
from sqlalchemy import exc

from persistence.projected import failures


def wrapped(error: Exception, kind: type[exc.DBAPIError]) -> exc.DBAPIError:
    return kind("statement", {}, error)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(sqlite3.OperationalError("database is locked"), exc.OperationalError),
        wrapped(sqlite3.OperationalError("disk is full"), exc.OperationalError),
        wrapped(sqlite3.OperationalError("no such table"), exc.OperationalError),
        wrapped(psycopg.errors.DeadlockDetected(), exc.OperationalError),
        wrapped(psycopg.errors.AdminShutdown(), exc.OperationalError),
        wrapped(psycopg.errors.ReadOnlySqlTransaction(), exc.InternalError),
        wrapped(psycopg.errors.UndefinedTable(), exc.ProgrammingError),
        exc.TimeoutError("pool"),
        OSError(28, "No space left on device"),
        RuntimeError("a bug of ours"),
    ],
)
def test_what_is_the_databases_fault_is_tried_again(error: Exception) -> None:
    assert not failures.is_poison(error)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(psycopg.errors.NumericValueOutOfRange(), exc.DataError),
        wrapped(psycopg.errors.StringDataRightTruncation(), exc.DataError),
        wrapped(sqlite3.IntegrityError("NOT NULL"), exc.IntegrityError),
        OverflowError("Python int too large to convert to SQLite INTEGER"),
        ValueError("a date that is none"),
    ],
)
def test_what_is_the_events_fault_is_poison(error: Exception) -> None:
    assert failures.is_poison(error)


def test_an_error_is_named_as_its_driver_names_it() -> None:
    error = wrapped(psycopg.errors.DeadlockDetected(), exc.OperationalError)
    assert failures.kind(error) == "DeadlockDetected"
    assert failures.kind(OSError()) == "OSError"
