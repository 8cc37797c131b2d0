"""W3C Trace Context (https://www.w3.org/TR/trace-context/, level 1): `traceparent`.

A context is passed on as its text, version 00; empty: none. What is malformed is none,
as the specification has it, and never refused. `tracestate` is not carried.
"""

import re

HEADER = "traceparent"
"""The same name in HTTP, in a frame, in NATS headers, in the ledger and in rows."""

_FIELDS = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?",
    re.ASCII,
)
_IN_BLOCK = re.compile(rb"\r\ntraceparent: *([^\r\n]*)", re.IGNORECASE)
_SAMPLED = 1


def read(value: object) -> str:
    """A context from outside, as we pass it on: only the sampled flag is kept."""
    match = _FIELDS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return ""
    version, trace, span, flags, rest = match.groups()
    is_bad = version == "ff" or (version == "00" and rest is not None)
    if is_bad or not trace.strip("0") or not span.strip("0"):
        return ""
    return f"00-{trace}-{span}-0{int(flags, 16) & _SAMPLED}"


def is_sampled(context: str) -> bool:
    """Whether the caller records this trace, so that we shall too. None: no."""
    return context.endswith("1")


def unsampled(context: str) -> str:
    """The same trace, to be recorded by nobody; of a context, not of none."""
    return context[:-1] + "0"


def ids(context: str) -> tuple[str, str]:
    """(trace id, span id) of a context, not of none."""
    _, trace, span, _ = context.split("-")
    return trace, span


def block(context: str) -> bytes:
    """The NATS header block that carries it; none: no block."""
    if not context:
        return b""
    return b"NATS/1.0\r\ntraceparent: %b\r\n\r\n" % context.encode()


def of_block(headers: bytes) -> str:
    """What a NATS header block carries."""
    match = _IN_BLOCK.search(headers) if headers else None
    return "" if match is None else read(match[1].decode(errors="replace"))
