"""A PMTiles file of this machine that the pages' maps are drawn on, read in parts.

Browsers ask for ranges of it (RFC 9110 section 14); none is read whole. It stays open:
another one in its place, by a new name or the same, is seen at the next start.
"""

import hashlib
import os
import re
from typing import NamedTuple
from weakref import finalize

PATH = "/map.pmtiles"
"""Where browsers find it: beside what the pages' service worker keeps."""
MAGIC = b"PMTiles\x03"
PART_BYTES_MAX = 1024 * 1024
"""Of an answer. Tiles and directories are smaller: half as much is what their makers
(tippecanoe, planetiler) take for the most."""
_RANGE = re.compile(
    r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII | re.IGNORECASE
)


class GroundError(Exception):
    """It can't be drawn on; the message says why, and is no sentence."""


def is_file(style_url: str) -> bool:
    """Whether CABRANK_MAP_STYLE_URL names a file, and not an address."""
    return bool(style_url) and "://" not in style_url


class Part(NamedTuple):
    """Bytes `first` to `last`, both of them included."""

    first: int
    last: int


class Ground:
    def __init__(self, path: str) -> None:
        """Raises:
        GroundError: there is no such file, or it is none.
        """
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            finalize(self, os.close, self._file)
            head = os.pread(self._file, len(MAGIC), 0)
        except OSError as error:
            raise GroundError(error.strerror or str(error)) from None
        if head != MAGIC:
            raise GroundError("it is no PMTiles file of version 3")

    @property
    def size(self) -> int:
        """Bytes."""
        return os.fstat(self._file).st_size

    @property
    def etag(self) -> str:
        """Of the file as it is now, where somebody writes into it all the same."""
        now = os.fstat(self._file)
        said = f"{now.st_ino} {now.st_size} {now.st_mtime_ns}".encode()
        return f'"{hashlib.sha256(said).hexdigest()[:32]}"'

    def read(self, part: Part) -> bytes:
        return os.pread(self._file, part.last - part.first + 1, part.first)


def part_of(asked: str, size: int) -> Part | None:
    """What of `size` bytes a Range header means, of a long one its beginning; None: no
    single range, which a server may ignore.

    Raises:
        ValueError: the file has nothing there.
    """
    match = _RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    if match[3]:
        first, last = max(0, size - int(match[3])), size - 1
    else:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or last < first:
        raise ValueError(asked)
    return Part(first, min(last, first + PART_BYTES_MAX - 1))
