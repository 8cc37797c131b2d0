"""A stream is read as nats-py reads it, wherever it is cut."""

import pytest
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from runtime.nats_reader import Reader

OURS = 7
STREAM = b"".join(
    (
        b"PING\r\n",
        b"MSG a.b 7 5\r\nplain\r\n",
        b"MSG a.c 7 reply.1 0\r\n\r\n",
        b"MSG a.d 7 19\r\nMSG a.x 7 2\r\nno\r\n..\r\n",
        b"MSG other 8 2\r\nhm\r\n",
        b"HMSG a.e 7 reply.2 22 24\r\nNATS/1.0\r\nKey: val\r\n\r\nhi\r\n",
        b"MSG\ta.f\t7  3\r\nthe\r\n",
        b"+OK\r\nPONG\r\n",
        b"MSG a.g 7 5 1\r\nx\r\n",  # to be answered at `5`
    )
)
WHOLE = STREAM + STREAM


class Client:
    """What the parser tells."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.past = 0
        """Messages that didn't go through nats-py."""

    def hand_over(
        self, number: int, subject: bytes, reply: bytes, payload: bytes
    ) -> bool:
        if number != OURS:
            return False
        self.past += 1
        self.told.append((number, subject, reply, payload, b""))
        return True

    async def _process_msg(
        self,
        number: int,
        subject: bytes,
        reply: bytes,
        payload: bytes,
        headers: bytes | None,
    ) -> None:
        self.told.append((number, subject, reply, payload, headers or b""))

    async def _process_ping(self) -> None:
        self.told.append(("ping",))

    async def _process_pong(self) -> None:
        self.told.append(("pong",))


async def read(pieces: list[bytes]) -> list[tuple[object, ...]]:
    client = Client()
    reader = Reader(client, client.hand_over)  # type: ignore[arg-type]
    for piece in pieces:
        await reader.parse(piece)
    return client.told


async def expected() -> list[tuple[object, ...]]:
    client = Client()
    await Parser(client).parse(WHOLE)  # type: ignore[no-untyped-call]
    return client.told


async def test_cut_anywhere_it_says_the_same() -> None:
    theirs = await expected()
    assert len(theirs) > 12
    assert await read([WHOLE]) == theirs
    for at in range(len(WHOLE)):
        assert await read([WHOLE[:at], WHOLE[at:]]) == theirs


@pytest.mark.parametrize("size", range(1, 40))
async def test_in_small_pieces_it_says_the_same(size: int) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    assert await read(pieces) == await expected()


async def test_ours_go_past_nats_py_again_after_one_that_was_cut() -> None:
    client = Client()
    reader = Reader(client, client.hand_over)  # type: ignore[arg-type]
    message = b"MSG a 7 2\r\nhi\r\n"
    await reader.parse(message * 2 + message[:-3])
    assert client.past == 2
    await reader.parse(message[-3:] + message)
    assert client.past == 3
    await reader.parse(message + message[:4])
    await reader.parse(message[4:])
    assert client.past == 5
    assert len(client.told) == 6


async def test_what_is_no_protocol_is_refused() -> None:
    with pytest.raises(ProtocolError):
        await read([b"MSG a 7 2\r\nhi\r\nNONSENSE\r\n"])
