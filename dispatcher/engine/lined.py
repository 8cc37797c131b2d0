"""A struct as JSON whose long lists and maps are parted into lines, and back, so that
neither takes the whole of it at once. Must not know what is in it.

The document is the one that `codec.encode` makes, but for white space and the order of
fields: whoever reads it whole goes on to do so, and one that was written whole is read
here as well.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any, Generic, TypeVar, get_origin, get_type_hints

from msgspec import Struct

from schemas.codec import CodecError, decode, encode

T = TypeVar("T", bound=Struct)

LINE_BYTES = 64 * 1024
"""What a line should have: a fraction of a millisecond's work."""
_ITEMS_MAX = 2_000
_FIRST = b"{\n"
_OPENERS = (b"[", b"{")
_CLOSERS = (b"]", b"}")


def write(value: Struct) -> Iterator[bytes]:
    """The document, a line at a time. Equal values give equal bytes."""
    yield b"{\n"
    lead = b""
    for name, field in sorted(_fields(value), key=lambda pair: _is_parted(pair[1])):
        head = b"%b%b:" % (lead, encode(name))
        lead = b","
        if not _is_parted(field):
            yield b"%b%b\n" % (head, encode(field))
        elif isinstance(field, Struct):
            yield head
            yield from write(field)
        elif isinstance(field, dict):
            yield b"%b{\n" % head
            yield from _lines(field.items(), dict)
            yield b"}\n"
        else:
            yield b"%b[\n" % head
            yield from _lines(field, list)
            yield b"]\n"
    yield b"}\n"


def _fields(value: Struct) -> Iterator[tuple[str, Any]]:
    for name in value.__struct_fields__:
        yield name, getattr(value, name)


def _is_parted(field: Any) -> bool:
    if isinstance(field, Struct):
        return not field.__struct_config__.array_like
    return isinstance(field, dict | list | tuple | Iterator)


def _lines(
    items: Iterable[Any], shape: type[dict[Any, Any]] | type[list[Any]]
) -> Iterator[bytes]:
    """As many items to a line as the one before it makes right."""
    rest = iter(items)
    count, lead = 16, b""
    while part := shape(islice(rest, count)):
        encoded = encode(part)[1:-1]
        yield b"%b%b\n" % (lead, encoded)
        lead = b","
        fitting = count * LINE_BYTES // len(encoded)
        count = max(1, min(fitting, 2 * count, _ITEMS_MAX))


class _Open(Struct):
    """A struct that is being read."""

    name: str
    shape: type[Struct]
    values: dict[str, Any]


class _Section(Struct, frozen=True):
    """A list or map that is being read; `hint` None: of a field unknown here."""

    name: str
    hint: Any
    ends: bytes


class Reader(Generic[T]):
    """Takes the document's bytes as they come, and gives it in parts: each a `shape`
    that holds some of the items of one list or map, what isn't long, as far as it has
    come, and else its fields' defaults.
    """

    def __init__(self, shape: type[T]) -> None:
        self._shape = shape
        self._rest = bytearray()
        self._structs: list[_Open] = []
        self._section: _Section | None = None
        self._begun = self._is_lined = False
        self._skipped = 0
        """How deep in a field unknown here."""
        self._whole: T | None = None

    def feed(self, data: bytes) -> Iterator[T]:
        """The parts that are there with these bytes.

        Raises:
            CodecError: it isn't of this shape.
        """
        if not self._begun:
            self._rest += data
            if len(self._rest) < len(_FIRST):
                return
            self._begun, self._is_lined = True, self._rest.startswith(_FIRST)
            data = bytes(self._rest)
            self._rest.clear()
        if not self._is_lined:
            self._rest += data
            return
        *lines, last = data.split(b"\n")
        for line in lines:
            whole = bytes(self._rest) + line if self._rest else line
            self._rest.clear()
            part = self._line(whole)
            if part is not None:
                yield part
        self._rest += last

    def end(self) -> T:
        """After the last byte: what isn't long, or, where the document was written
        whole, all of it.

        Raises:
            CodecError: it isn't whole.
        """
        if self._whole is not None and not self._rest:
            return self._whole
        if self._is_lined:
            msg = "it ends too early, or too late"
            raise CodecError(msg)
        return decode(bytes(self._rest), self._shape)

    def _line(self, line: bytes) -> T | None:
        if self._skipped:
            self._skipped += line.endswith(_OPENERS) - (line in _CLOSERS)
        elif self._section is not None:
            return self._items(self._section, line)
        elif not self._structs:
            if line != b"{" or self._whole is not None:
                msg = f"not of the document: {line[:80]!r}"
                raise CodecError(msg)
            self._structs.append(_Open("", self._shape, {}))
        elif line == b"}":
            self._close()
        else:
            self._field(line.removeprefix(b","))
        return None

    def _items(self, section: _Section, line: bytes) -> T | None:
        if line == section.ends:
            self._section = None
            return None
        body = line.removeprefix(b",")
        begins = b"[" if section.ends == b"]" else b"{"
        items = decode(b"%b%b%b" % (begins, body, section.ends), section.hint)
        return self._part(section.name, items)

    def _part(self, name: str, value: Any) -> T:
        for struct in reversed(self._structs):
            value = _made(struct.shape, {**struct.values, name: value})
            name = struct.name
        part: T = value
        return part

    def _close(self) -> None:
        closed = self._structs.pop()
        value = _made(closed.shape, closed.values)
        if self._structs:
            self._structs[-1].values[closed.name] = value
        else:
            self._whole = value

    def _field(self, line: bytes) -> None:
        quoted, colon, value = line.partition(b":")
        if not colon:
            msg = f"no field: {line[:80]!r}"
            raise CodecError(msg)
        name = decode(quoted, str)
        struct = self._structs[-1]
        hint = _hints(struct.shape).get(name)
        if hint is None:
            self._skipped = int(value in _OPENERS)
        elif value == b"[" or (value == b"{" and get_origin(hint) is dict):
            ends = b"]" if value == b"[" else b"}"
            self._section = _Section(name, hint, ends)
        elif value == b"{":
            self._structs.append(_Open(name, hint, {}))
        else:
            struct.values[name] = decode(value, hint)


@cache
def _hints(shape: type[Struct]) -> dict[str, Any]:
    return get_type_hints(shape)


def _made(shape: type[Struct], values: dict[str, Any]) -> Any:
    try:
        return shape(**values)
    except TypeError as error:  # a field without default has not come
        raise CodecError(str(error)) from error
