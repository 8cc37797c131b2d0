"""Values of our structs and rows with something in every field, found by looking at
their types: what is added to one is filled, and looked for, by itself.
"""

import enum
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from sqlalchemy import BigInteger, Boolean, Float, Integer, LargeBinary

from persistence.models import Base

MARK = "a secret of "
"""Begins every text that is made up; what it is of follows."""


def filled(shape: Any, path: str = "", **given: Any) -> Any:
    """One of `shape`; `given`: fields of the outermost that mustn't be made up."""
    if get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    kind = get_origin(shape)
    if kind in (Union, types.UnionType):
        some = [one for one in get_args(shape) if one is not types.NoneType]
        return filled(some[0], path)
    if kind is Literal:
        return get_args(shape)[0]
    if kind in (list, tuple, set, frozenset):
        return (kind or list)([filled(get_args(shape)[0], path)])
    if kind is dict:
        return {f"{MARK}{path} key": filled(get_args(shape)[1], path)}
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        hints = get_type_hints(shape, include_extras=True)
        made = {
            one.name: given[one.name]
            if one.name in given
            else filled(hints[one.name], f"{path}.{one.name}".lstrip("."))
            for one in msgspec.structs.fields(shape)
        }
        return shape(**made)
    return _plain(shape, path)


def _plain(shape: Any, path: str) -> Any:
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        return next(iter(shape))
    if shape is bool:
        return True
    if shape is int:
        return number(path)
    if shape is float:
        return number(path) / 1e7
    assert shape is str, f"how to fill {path}, a {shape}?"
    return f"{MARK}{path}"


def number(path: str) -> int:
    """Of nine digits, another for each path; as degrees, below 90."""
    return 100_000_000 + sum(ord(c) * 31**i for i, c in enumerate(path)) % 799_999_999


def row(table: type[Base], **given: Any) -> dict[str, Any]:
    """Values for every column of a table."""
    values: dict[str, Any] = {}
    for column in table.__table__.columns:
        path = f"{table.__tablename__}.{column.name}"
        kind = column.type
        if column.name in given:
            values[column.name] = given[column.name]
        elif isinstance(kind, Boolean):
            values[column.name] = False
        elif isinstance(kind, BigInteger | Integer):
            values[column.name] = number(path)
        elif isinstance(kind, Float):
            values[column.name] = number(path) / 1e7
        elif isinstance(kind, LargeBinary):
            values[column.name] = f"{MARK}{path}".encode()
        else:
            length = getattr(kind, "length", None)
            values[column.name] = f"{MARK}{path}"[:length]
    return values


def nobodys(table: type[Base], **given: Any) -> dict[str, Any]:
    """The same with nothing in it that is anybody's secret."""
    values = row(table, **given)
    return {n: "" if str(v).startswith(MARK) else v for n, v in values.items()}
