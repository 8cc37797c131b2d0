"""Bad frames, bounds and the close codes of PROTOCOL.md section 4."""

import asyncio
import contextlib
import json

import httpx
import pytest

from schemas.accounts import Revocation
from schemas.events import Moved
from schemas.frames import FRAME_BYTES_MAX
from schemas.trips import Role
from tests.contract.gateway_ws.conftest import DRIVER, RIDER, World
from tests.contract.gateway_ws.scripted_leader import trip
from tests.support.waiting import until

TRIP = trip(1)["id"]


@pytest.mark.parametrize(
    ("frame", "code", "ref"),
    [
        ("", "bad_frame", None),
        ("{", "bad_frame", None),
        ("[]", "bad_frame", None),
        ('{"type":1,"ref":"a"}', "bad_frame", "a"),
        ('{"ref":"a"}', "bad_frame", "a"),
        ('{"type":"trip.get","ref":1}', "bad_frame", None),
        (json.dumps({"type": "trip.get", "ref": "x" * 65}), "bad_frame", None),
        ('{"type":"no.such","ref":"a"}', "unknown_type", "a"),
        ('{"type":"session.login","ref":"a"}', "bad_frame", "a"),
        ('{"type":"trip.get","ref":"a"}', "invalid_data", "a"),
        ('{"type":"trip.get","ref":"a","data":null}', "invalid_data", "a"),
        ('{"type":"trip.get","ref":"a","data":[]}', "invalid_data", "a"),
        ('{"type":"trip.get","ref":"a","data":{"id":1}}', "invalid_data", "a"),
        ('{"type":"trip.get","ref":"a","data":{"id":"x\\u0000"}}', "invalid_data", "a"),
        ('{"type":"trip.get","ref":"a","data":{"id":"x"}}', "trip_not_found", "a"),
        ('{"type":"trip.accept","ref":"a","data":{"id":"x"}}', "wrong_role", "a"),
        ('{"type":"driver.online","ref":"a"}', "wrong_role", "a"),
        ('{"type":"session.refresh","ref":"a","data":{}}', "invalid_data", "a"),
    ],
)
async def test_a_bad_frame_is_refused_and_the_session_goes_on(
    world: World, frame: str, code: str, ref: str | None
) -> None:
    await world.start()
    client = await world.rider()
    await client.send(frame)
    refused = await client.expect("refused")
    assert (refused["data"]["code"], refused["ref"]) == (code, ref)
    assert refused["data"]["message"]
    await client.do("trip.get", {"id": TRIP})


async def test_binary_frames_close_with_1003(world: World) -> None:
    await world.start()
    client = await world.rider()
    await client.send(b'{"type":"trip.get"}')
    assert await client.closed() == 1003


async def test_text_that_is_not_utf_8_closes_with_1007(world: World) -> None:
    await world.start()
    client = await world.rider()
    # websockets sends bytes as text where told so.
    await client.socket.send(b'{"type":"\xff"}', text=True)
    assert await client.closed() == 1007


async def test_64_kib_are_taken_and_more_closes_with_1009(world: World) -> None:
    await world.start()
    client = await world.rider()
    frame = json.dumps({"type": "no.such", "ref": "a"})
    await client.send(frame.ljust(FRAME_BYTES_MAX))
    assert (await client.answer("a"))["data"]["code"] == "unknown_type"
    await client.send(frame.ljust(FRAME_BYTES_MAX + 1))
    assert await client.closed() == 1009


async def test_a_fragmented_message_is_one_frame(world: World) -> None:
    await world.start()
    client = await world.rider()
    parts = ['{"type":"trip.get","ref":"a",', '"data":{"id":"', TRIP, '"}}']
    await client.socket.send(parts)
    assert (await client.answer("a"))["type"] == "reply"


async def test_over_100_bad_frames_in_10_s_close_with_4500(world: World) -> None:
    await world.start()
    client = await world.rider()
    for _ in range(100):
        await client.send("{")
    await client.quiet()
    assert len(client.seen("refused")) == 100
    await client.send("{")
    assert await client.closed() == 4500


async def test_too_many_frames_a_second_are_rate_limited(world: World) -> None:
    await world.start(frames_burst=10, frames_per_s=1)
    client = await world.rider()
    for _ in range(11):
        await client.send({"type": "driver.online"})
    codes = [(await client.expect("refused"))["data"]["code"] for _ in range(11)]
    assert codes == ["wrong_role"] * 10 + ["rate_limited"]


async def test_a_token_that_expires_closes_with_4502(world: World) -> None:
    await world.start()
    token = world.tokens.issue(ttl_s=1)
    client, _ = await world.user(token)
    assert await client.closed() == 4502


async def test_a_refreshed_token_keeps_the_session(world: World) -> None:
    await world.start()
    client, _ = await world.user(world.tokens.issue(ttl_s=1))
    fresh = {"token": world.tokens.issue(ttl_s=900)}
    answer = await client.do("session.refresh", fresh)
    assert answer["expires_in"] in {899, 900}
    short, _ = await world.user(world.tokens.issue(ttl_s=1))
    assert await short.closed() == 4502
    await client.quiet()


async def test_only_the_same_user_s_token_refreshes(world: World) -> None:
    await world.start()
    client = await world.rider()
    other = {"token": world.tokens.issue(DRIVER, Role.DRIVER)}
    assert await client.refusal("session.refresh", other) == "not_authenticated"
    bad = {"token": "x"}
    assert await client.refusal("session.refresh", bad) == "not_authenticated"
    await client.quiet()


async def test_a_revocation_closes_the_sessions_it_covers_with_4503(
    world: World,
) -> None:
    await world.start()
    one, _ = await world.user(world.tokens.issue(session="0ne"))
    two, _ = await world.user(world.tokens.issue(session="tw0"))
    assert world.gateway is not None
    world.gateway.revoked(Revocation(RIDER, "0ne", 0))
    assert await one.closed() == 4503
    await two.quiet()
    world.gateway.revoked(Revocation(RIDER, None, 2**52))
    assert await two.closed() == 4503


async def test_a_client_that_answers_no_ping_is_cut_off(world: World) -> None:
    await world.start(ping_s=0.3, pong_s=0.3, close_s=0.3)
    client = await world.rider()
    alive = await world.rider()
    client.socket.transport.pause_reading()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: len(gateway.sockets.connections) == 1)
    await alive.quiet()
    client.socket.transport.resume_reading()


async def test_a_slow_reader_is_closed_with_4001_and_slows_nobody(
    world: World,
) -> None:
    await world.start()
    slow = await world.rider()
    swift = await world.rider()
    slow.socket.transport.pause_reading()
    padding = "x" * 50_000
    number = 0

    def flood() -> int:
        nonlocal number
        for _ in range(5):
            number += 1
            data = {**trip(number), "padding": padding}
            world.leader.push(RIDER, 1000 + number, "trip.requested", data)
        gateway = world.gateway
        assert gateway is not None
        region = gateway.router.regions["main"]
        return len(region.listeners[RIDER].seats)

    await until(lambda: flood() == 1, "the slow one's end")
    await swift.expect(
        "trip.requested", lambda f: f["data"]["id"] == trip(number)["id"]
    )
    slow.socket.transport.resume_reading()
    assert await slow.closed() == 4001


async def test_positions_for_a_slow_reader_are_overwritten_in_place(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    transport = client.socket.transport
    transport.pause_reading()
    gateway = world.gateway
    assert gateway is not None
    (connection,) = gateway.sockets.connections
    number = 0

    def flood() -> bool:
        nonlocal number
        number += 1
        data = {**trip(number), "padding": "x" * 50_000}
        world.leader.push(RIDER, 1000 + number, "trip.requested", data)
        return connection.writer._paused

    await until(flood, "a full buffer")
    at = "2026-11-21T10:00:00.000Z"
    for heading in range(1, 301):
        moved = Moved(TRIP, 1.0, 2.0, float(heading), at)
        world.leader.send_push(RIDER, moved)
    await until(
        lambda: (
            b'"heading":300.0' in b"".join((connection.writer._latest or {}).values())
        )
    )
    transport.resume_reading()
    await client.expect("driver.moved", lambda f: f["data"]["heading"] == 300)
    assert len(client.seen("driver.moved")) == 1


async def test_a_drain_answers_what_is_under_way_and_closes_with_4002(
    world: World,
) -> None:
    await world.start()
    client = await world.rider()
    await client.send({"type": "trip.get", "ref": "1", "data": {"id": TRIP}})
    await until(lambda: world.gateway is not None and world.leader.batches == 2)
    await world.stop()
    assert (await client.answer("1"))["type"] == "reply"
    assert await client.closed() == 4002


async def test_half_a_request_head_or_body_is_ended(world: World) -> None:
    await world.start(http_head_s=0.3, http_body_s=0.3)
    port = int(world.url.rpartition(":")[2])
    half_head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    half_body = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    for request in (b"", half_head, half_body):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        with contextlib.suppress(ConnectionResetError):  # an abort may show as either
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_readiness_tells_whether_nats_is_there(world: World) -> None:
    await world.start()
    async with httpx.AsyncClient(base_url=world.url) as http:
        assert (await http.get("/readyz")).status_code == 200
        world.nats.kill()
        gateway = world.gateway
        assert gateway is not None
        await until(lambda: not gateway.bus.is_connected)
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert "NATS" in answer.text
