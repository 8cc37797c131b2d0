"""What a gateway holds for others at its largest: commands that wait for a leader, and
an outside issuer's keys.
"""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from gateway.identity import oidc_keys as issuers
from gateway.identity.jwks import KEYS_MAX
from gateway.identity.oidc_keys import ANSWER_BYTES_MAX
from runtime.bus import connect
from tests.contract.gateway_ws.test_issuer import begun
from tests.sizes.conftest import size
from tests.sizes.whole import running
from tests.support.client import Client
from tests.support.issuer import IssuerServer, Key, jwks
from tests.support.issuer import running as issuing
from tests.support.nats import NatsServer
from tests.support.running import service
from tests.support.waiting import until

PENDING_BYTES = size(2, 64) * 1024 * 1024
OF_ONE = 256
"""Commands of one connection that may wait."""
LONGEST = "\x01" * 4_000
"""A message of 24 KB, the largest command there is."""


async def flood(client: Client) -> None:
    """As many of the largest commands as a connection may have waiting; each is refused
    by the leader, so that nothing comes of them.
    """
    said = {"room": "never-joined", "text": LONGEST}
    for number in range(OF_ONE):
        frame = {"type": "chat.send", "ref": str(number), "data": said}
        await client.send(json.dumps(frame))


def codes(client: Client) -> list[str]:
    answers = client.seen("reply") + client.seen("refused")
    return [frame["data"].get("code", "reply") for frame in answers]


async def test_commands_wait_up_to_their_bytes_and_who_is_beyond_hears_so(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with running(nats_server, tmp_path, pending_bytes_max=PENDING_BYTES) as whole:
        assert whole.gateway is not None
        link = whole.gateway.link
        count = PENDING_BYTES // (OF_ONE * len(LONGEST) * 6) + 2
        people = await whole.people(count)
        witness = await whole.person("witness")
        await witness.do("chat.join", {"room": "lobby"})
        async with whole.silent_leader(0):
            sending = asyncio.gather(*map(flood, people))
            await until(lambda: link.bytes >= PENDING_BYTES, "commands that wait")
            assert link.bytes <= PENDING_BYTES + 8 * len(LONGEST)
        await sending
        await until(
            lambda: all(len(codes(person)) == OF_ONE for person in people),
            "an answer to each",
            30,
        )
        told = Counter(code for person in people for code in codes(person))
        assert set(told) <= {"overloaded", "room_forbidden", "unavailable"}
        assert told["overloaded"]
        assert (link.count, link.bytes) == (0, 0)
        said = await witness.do("chat.send", {"room": "lobby", "text": "on"})
        assert said["seq"] == 1
        whole.lives()


async def test_an_issuer_s_answer_is_taken_to_its_last_byte_and_no_further(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "RETRY_S", (0.02, 0.05))
    monkeypatch.setattr(issuers, "PAUSE_S", 0.02)
    bus = await connect(nats_server.url, "test")
    async with issuing(IssuerServer()) as server, service() as tasks:
        gate = await begun(server, bus, tasks)
        await until(lambda: gate.takes(server.token()), limit_s=30)
        server.keys = [Key(f"k{number}") for number in range(KEYS_MAX)]
        server.answer_keys_with(jwks(*server.keys).ljust(ANSWER_BYTES_MAX))
        last = server.keys[-1]
        await until(lambda: gate.takes(server.token(last)), limit_s=30)
        server.keys = [Key("one more")]
        server.answer_keys_with(jwks(*server.keys).ljust(ANSWER_BYTES_MAX + 1))
        fetched = server.keys_fetched()
        new = server.token()
        await until(
            lambda: not gate.takes(new) and server.keys_fetched() > fetched + 1,
            "another fetch",
            30,
        )
        assert not gate.takes(new)
        assert gate.takes(server.token(last, jti="again"))
    await bus.close()
