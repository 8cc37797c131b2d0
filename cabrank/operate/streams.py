"""`cabrank streams`: what JetStream keeps, and a ledger's limit.

Reads what servers tell of their streams; changes nothing but a limit that is asked for.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from cabrank.errors import UsageError
from cabrank.operate import ledgers
from cabrank.operate.target import Target
from runtime.bus import Bus
from schemas import streams
from schemas.subjects import SubjectError

API = "$JS.API.STREAM"
ANSWER_S = 5.0
LEDGER_BYTES_MIN = 1024 * 1024
"""A limit of less is a slip: a single record may have half of it."""
MIB = 1024 * 1024
HEADINGS = ("stream", "messages", "from", "to", "MiB", "limit", "leader", "copies")


class Row(Struct):
    """One stream. `limit_bytes`: None where it has none. `copies`: those that are
    current, the leader's among them, of `replicas`. `leader` is the server's own name
    where it stands alone, and empty where there is none: the rest is 0 then.
    """

    stream: str
    messages: int
    first_seq: int
    last_seq: int
    bytes: int
    limit_bytes: int | None
    leader: str
    copies: int
    replicas: int

    def cells(self) -> tuple[str, ...]:
        limit = "none" if self.limit_bytes is None else f"{self.limit_bytes / MIB:,.1f}"
        return (
            self.stream,
            f"{self.messages:,}",
            str(self.first_seq),
            str(self.last_seq),
            f"{self.bytes / MIB:,.1f}",
            limit,
            self.leader or "NONE",
            f"{self.copies} of {self.replicas}",
        )


def row(told: dict[str, Any], server: str) -> Row:
    """Of what a server says about a stream (JetStream's API, io.nats…stream_info)."""
    config, state = told["config"], told["state"]
    cluster: dict[str, Any] = told.get("cluster") or {}
    others = cluster.get("replicas") or []
    current = [one for one in others if one.get("current") and not one.get("offline")]
    leader = cluster.get("leader", "") if cluster else server
    limit = config.get("max_bytes", -1)
    return Row(
        config["name"],
        state["messages"],
        state["first_seq"],
        state["last_seq"],
        state["bytes"],
        limit if limit >= 0 else None,
        leader,
        len(current) + bool(leader),
        config.get("num_replicas", 1),
    )


async def listed(to: Target) -> list[Row]:
    """All streams, by name.

    Raises:
        UnreachableError: as `ledgers.connected`.
    """
    async with ledgers.connected(to) as bus:
        server = str(bus._server_info.get("server_name", ""))  # noqa: SLF001
        found: list[Row] = []
        while True:
            page = await _asked(bus, "LIST", {"offset": len(found)})
            told = page.get("streams") or []
            # Those of which nobody tells, for they have no leader.
            lost = page.get("missing") or []
            found += [row(one, server) for one in told]
            found += [Row(name, 0, 0, 0, 0, None, "", 0, 0) for name in lost]
            if len(found) >= page.get("total", 0) or not (told or lost):
                return sorted(found, key=lambda one: one.stream)


async def limit(to: Target, region: str, bytes_max: int) -> Row:
    """Set how large a region's ledger may get; 0: no limit.

    Raises:
        UnreachableError: as `ledgers.connected`.
        UsageError: there is no such ledger, or the server refuses.
    """
    try:
        name = streams.ledger(region).name
    except SubjectError as error:
        raise UsageError(f"--region {error}.") from None
    async with ledgers.connected(to) as bus:
        server = str(bus._server_info.get("server_name", ""))  # noqa: SLF001
        config = (await _asked(bus, f"INFO.{name}"))["config"]
        wanted = config | {"max_bytes": bytes_max or -1}
        return row(await _asked(bus, f"UPDATE.{name}", wanted), server)


async def _asked(
    bus: Bus, what: str, question: dict[str, Any] | None = None
) -> dict[str, Any]:
    payload = b"" if question is None else json.dumps(question).encode()
    answer = await bus.request(f"{API}.{what}", payload, ANSWER_S)
    said: dict[str, Any] = json.loads(answer.data)
    if "error" in said:
        why = said["error"].get("description", "unknown")
        raise UsageError(f"NATS refuses {what.partition('.')[2] or what}: {why}.")
    return said


def table(rows: list[Row]) -> Iterator[str]:
    """Lines, numbers to the right."""
    cells = [HEADINGS, *(one.cells() for one in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *rest = zip(line, widths, strict=True)
        shown = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]
        yield "  ".join(shown).rstrip()


def lines(rows: list[Row]) -> Iterator[str]:
    """The same, a line of JSON each."""
    for one in rows:
        yield msgspec.json.encode(one).decode()
