"""What a request asks for in its query: read in this one place for all routes, before
they do anything, and as strictly as bodies are.

The framework takes `1e1`, `+5` and digits of any script for a number, the last of two
values, and what is no UTF-8 for question marks.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.typing import FieldDefinition
from msgspec import Meta

from gateway.problems import Refused
from schemas import wording
from schemas.refusals import Code

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
"""A whole one as JSON has it; what a database holds has 19 digits."""
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
FIELDS_MAX = 256
"""Routes have six; 30,000, which a head has room for, take 10 ms to be passed over."""
_OVER_ASCII = re.compile(rb"[\x80-\xff]")


class Check(NamedTuple):
    """Stands beside a `QueryParameter`: what the framework has no words for."""

    refuse: Callable[[str], object]
    """Raises Refused: the text doesn't fit."""


def as_uri(raw: bytes) -> bytes:
    """A query as RFC 3986 has it: octets that were sent bare are UTF-8."""
    return _OVER_ASCII.sub(lambda match: b"%%%02X" % match[0][0], raw)


def check(raw: bytes, handler: HTTPRouteHandler) -> bytes:
    """Unknown parameters are ignored, as unknown fields are.

    Returns:
        The query without them: the framework keeps its last 1,024, and what it read of
        them, for good (1.6 MiB of one of 60 KiB).

    Raises:
        Refused: `invalid_data`, naming the first parameter that doesn't fit, or that is
            given twice; or there are too many.
    """
    wanted = _wanted(handler) if raw else {}
    if wanted and raw.count(b"&") >= FIELDS_MAX:
        raise Refused(Code.INVALID_DATA, f"the query: {FIELDS_MAX} fields are the most")
    seen, kept = set(), []
    for part in raw.split(b"&") if wanted else ():
        before, _, after = part.partition(b"=")
        name = _octets(before).decode(errors="replace")
        if name not in wanted:
            continue
        if name in seen:
            raise Refused(Code.INVALID_DATA, f"{name}: it is given twice")
        seen.add(name)
        kept.append(part)
        try:
            wanted[name](_octets(after).decode())
        except UnicodeDecodeError:
            raise Refused(Code.INVALID_DATA, f"{name}: it is no UTF-8") from None
        except msgspec.ValidationError as error:
            said = wording.plain(str(error)).removeprefix(wording.ALL).lstrip()
            raise Refused(Code.INVALID_DATA, f"{name}: {said}") from None
    return b"&".join(kept)


def _octets(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


Read = Callable[[str], Any]


@cache
def _wanted(handler: HTTPRouteHandler) -> Mapping[str, Read]:
    """Which parameters a route has, and how each is read."""
    return {
        field.kwarg_definition.name or name: _reader(field)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }


def _reader(field: FieldDefinition) -> Read:
    asked: Any = field.kwarg_definition
    types = {inner.annotation for inner in field.inner_types} or {field.annotation}
    value_of = _whole if int in types else _flag if bool in types else _text
    bounds = {
        name: getattr(asked, name)
        for name in ("ge", "le", "min_length", "max_length", "pattern")
        if getattr(asked, name) is not None
    }
    (kind,) = types - {type(None)}
    shape: Any = Annotated[kind, Meta(**bounds)] if bounds else kind
    checks = [one for one in field.metadata if isinstance(one, Check)]

    def read(text: str) -> None:
        for one in checks:
            one.refuse(text)
        msgspec.convert(value_of(text), shape)

    return read


def _whole(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise msgspec.ValidationError("must be a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise msgspec.ValidationError("must be true or false")
    return _FLAGS[text]


def _text(text: str) -> str:
    if "\0" in text:
        raise msgspec.ValidationError("can't hold the character U+0000")
    return text
