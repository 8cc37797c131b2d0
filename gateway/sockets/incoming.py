"""A connection's requests as they arrive, one after the other: RFC 9112 by llhttp.

Pure: bytes in; what has come of a request, or what is wrong with it, is read off.
llhttp goes on to the next request by itself and has no limit; here is the end of one,
and the bound of what surrounds a body.
"""

import re

import httptools

from gateway import requesthead
from gateway.problems import BODY_BYTES_MAX
from gateway.sockets.handshake import Rejected
from schemas.refusals import Code

HEAD_BYTES_MAX = 64 * 1024
"""Of a head, and again of trailers and chunk extensions: what bodies may have as well;
common servers take 8 to 64 KiB."""
HEADER_LINES_MAX = 1024
HEADER_LINE_BYTES = 128
"""What each takes as an object, were it empty."""

PIECES_MAX = 32
"""So many are taken at once, 0.05 ms of them: a blank line ends a piece, and 64 KiB may
be nothing else."""

PROBES = (b"/healthz", b"/readyz")
"""They don't wait behind others from the same address."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
"""Where a head, trailers, or a chunked body may end, and a message with them."""
_BLANK = re.compile(rb"\r?\n")
"""The same where a piece begins with it: asked apart, since a search that may match at
the beginning looks at each byte (6 us of a head's 700, 0.5 so; 2026-11-30)."""
_LINES_MAX = HEADER_LINES_MAX + 16
"""With the first line, the blank one, and blank ones before."""
_LINE_END = re.compile(rb"\n")
_NO_VERSION = frozenset({"0.0", "0.9"})
"""llhttp's, of a first line that is all (HTTP/0.9)."""


class Incoming:
    """`head` and `fault` are None until they are known; `is_whole`: all of it is here.

    `again` makes room for the next request.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self.again()

    def again(self) -> None:
        self.url = b""
        self.headers: list[requesthead.Header] = []
        self.body = bytearray()
        self.head: requesthead.Head | None = None
        self.fault: Rejected | None = None
        self.is_whole = False
        self.is_garbled = False
        """The fault is that it isn't HTTP."""
        self.held_bytes = 0
        """What is kept of it, about."""
        self.pieces = 0
        """So often was the parser called."""
        self._has_head = False
        self._is_kept = True
        """So far its head goes: nobody asks for the end of the connection."""
        self._line_end = b""
        """Of the first line, as far as it has come: the protocol's name."""
        self._has_line = False
        self._loose_bytes = 0
        """Of the head, or of trailers and chunk extensions since the last body data."""

    @property
    def is_probe(self) -> bool:
        return self.url in PROBES

    @property
    def method(self) -> str:
        """Empty: it isn't known yet."""
        return self._parser.get_method().decode("ascii") if self._has_head else ""

    @property
    def version(self) -> str:
        return self._parser.get_http_version()

    @property
    def may_stay(self) -> bool:
        """Whether the connection goes on after the answer."""
        return self.version != "1.0" and self._is_kept

    def close(self) -> None:
        """It and the parser hold one another: 5 KiB that would wait for the garbage
        collector.
        """
        del self._parser

    def take(self, data: memoryview) -> memoryview:
        """Take what comes of this request, up to the end of its head, or of itself, or
        as many pieces as are taken at once; returns the rest.
        """
        had_head = self.head is not None
        last = self.pieces + PIECES_MAX
        while len(data) and not self.is_whole and self.fault is None:
            if self.pieces == last:
                break
            if self.head is not None and not had_head:
                break
            reach = self._reach(data)
            self._take(data[:reach])
            data = data[reach:]
        return data

    def _reach(self, data: memoryview) -> int:
        """How much of `data` can't go beyond the end of the head, or the request."""
        if self.head is not None and self.head.body_bytes is not None:
            return min(len(data), self.head.body_bytes - len(self.body))
        found = _BLANK.match(data) or _BLANK_LINE.search(data)
        return found.end() if found is not None else len(data)

    def _take(self, part: memoryview) -> None:
        self._loose_bytes += len(part)
        self.pieces += 1
        lines = len(self.headers)
        if not self._has_head and lines + bytes(part).count(b"\n") > _LINES_MAX:
            self._too_large()  # before an object is made of each
            return
        other_protocol = False
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            other_protocol = True
        except httptools.HttpParserError as error:
            self._garbled(str(error) or "no HTTP")
            return
        if not self._has_line:
            self._note_line(bytes(part))
        lines = len(self.headers) - lines
        self.held_bytes += len(part) + lines * HEADER_LINE_BYTES
        if self._loose_bytes > HEAD_BYTES_MAX or len(self.headers) > HEADER_LINES_MAX:
            self._too_large()
        elif self._has_head and self.head is None:
            self._look_at_head(other_protocol=other_protocol)
        elif self.version in _NO_VERSION and self.url and _LINE_END.search(part):
            self._garbled("HTTP/0.9 is not spoken here, but 1.1")
        elif len(self.body) > BODY_BYTES_MAX:
            self._reject(413, f"the body has over {BODY_BYTES_MAX} bytes")

    def _note_line(self, part: bytes) -> None:
        if not self._line_end:
            part = part.lstrip(b"\r\n")  # blank lines before it
        line, newline, _ = part.partition(b"\n")
        self._line_end = (self._line_end + line)[-16:]
        self._has_line = bool(newline)

    def _look_at_head(self, *, other_protocol: bool) -> None:
        if b" HTTP/" not in self._line_end:
            self._garbled("only HTTP is spoken here")  # llhttp reads RTSP and ICE too
            return
        head = requesthead.read(self.method, self.url, self.version, self.headers)
        if isinstance(head, str):
            self._garbled(head)
        elif other_protocol and not head.wants_websocket:
            self._ignore_offer()
        else:
            self._take_head(head)

    def _take_head(self, head: requesthead.Head) -> None:
        self._loose_bytes = 0
        bytes_ = head.body_bytes or 0
        if head.wants_websocket and head.body_bytes != 0:
            self._reject(400, "a WebSocket's handshake has no body")
        elif bytes_ > BODY_BYTES_MAX:
            self._reject(413, f"the body has {bytes_} bytes, over {BODY_BYTES_MAX}")
        else:
            self.head = head

    def _ignore_offer(self) -> None:
        """Another protocol is offered: the parser, which takes that for the end of
        HTTP, is given the request without the offer.
        """
        again = requesthead.without_upgrade(
            self.method, self.url, self.version, self.headers
        )
        self._parser = httptools.HttpRequestParser(self)
        self.again()
        self._take(memoryview(again))

    # ---- httptools' callbacks ------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are dropped: among the headers one could say who sends it, past what
        a proxy says (RFC 9110 section 6.5.1).
        """
        if not self._has_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._has_head = True
        # The parser forgets it with the message's end.
        self._is_kept = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._loose_bytes = 0
        self.body += body

    def on_message_complete(self) -> None:
        self.is_whole = True

    # ---- faults --------------------------------------------------------------

    def _reject(self, status: int, detail: str) -> None:
        self.fault = Rejected(status, Code.BAD_FRAME, detail)

    def _garbled(self, detail: str) -> None:
        self.is_garbled = True
        self._reject(400, detail)

    def _too_large(self) -> None:
        text = f"{HEAD_BYTES_MAX} bytes and {HEADER_LINES_MAX} lines are the most"
        if len(self.url) > HEAD_BYTES_MAX // 2:
            self._reject(414, f"the request's target is too long: of a head {text}")
        else:
            self._reject(431, f"the head, or what surrounds the body, is long: {text}")
