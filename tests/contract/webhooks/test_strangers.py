"""Where nothing is sent, and what of an endpoint's certificate is told."""

import asyncio
import contextlib
import itertools
import ssl
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from runtime.settings import Settings
from schemas.outside import target
from schemas.refusals import Code
from schemas.webhooks import WEBHOOKS_MAX, AddWebhook, ListDeliveries
from tests.contract.webhooks.conftest import OPERATOR, Office
from tests.support.certificates import Authority
from tests.support.endpoint import Answer, Delivery, Writer, listening
from webhooks import post
from webhooks.errors import Forbidden
from webhooks.post import Endpoint, tls
from webhooks.resolving import Resolver


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As most have it: nothing private."""
    return replace(settings, webhooks_private=0)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "https://[::ffff:10.0.0.1]:8443/x", "http://0x7f.1/", "x"],
)
async def test_a_literal_address_of_ones_own_is_refused_at_once(
    office: Office, url: str
) -> None:
    asked = AddWebhook(url=url, events=["trip.*"], by=OPERATOR)
    refused = (await office.ask("add", asked)).refused
    assert refused is not None
    assert refused.code is Code.INVALID_DATA
    assert refused.message.startswith("url: ")


async def test_an_unknown_type_and_one_webhook_too_many_are_refused(
    office: Office,
) -> None:
    for events in (["trip.*", "trip.nothing"], ["trip"], ["*.made"], ["webhook.test"]):
        asked = AddWebhook(url="https://a.example/", events=events, by=OPERATOR)
        refused = (await office.ask("add", asked)).refused
        assert refused is not None
        assert "there is no type" in refused.message
    for _ in range(16):
        await office.add("https://a.example/")
    asked = AddWebhook(url="https://a.example/", events=["*"], by=OPERATOR)
    result = await office.ask("add", asked)
    assert result.status == 409


async def test_a_page_of_deliveries_after_what_was_none_is_refused(
    office: Office,
) -> None:
    hook = await office.add("https://a.example/")
    for before in (
        "msg_a_1",
        "msg__1",
        "x",
        "msg_a_",
        f"msg_a_{2**63}",
        "msg_a_" + "9" * 99,
    ):
        asked = ListDeliveries(hook.id, before=before)
        refused = (await office.ask("deliveries", asked)).refused
        assert refused is not None
        assert (refused.code, refused.message) == (
            Code.INVALID_DATA,
            "before: it has no delivery of that id",
        )


async def test_a_name_is_resolved_at_each_try_and_its_address_checked() -> None:
    resolver = Resolver(private=False)
    async with listening() as there:
        port = target(there.url).port
        endpoint = Endpoint(f"http://localhost:{port}/", resolver, tls())
        answer = await endpoint.post(b"{}", {})
        assert answer.status is None
        assert "localhost is at" in answer.error
        assert "loopback" in answer.error
        assert there.got == []
        allowed = Endpoint(f"http://localhost:{port}/", Resolver(private=True), tls())
        assert (await allowed.post(b"{}", {})).status == 200
        assert there.got[0].headers["host"] == f"localhost:{port}"
        await allowed.close()
        await endpoint.close()
    with pytest.raises(Forbidden, match="private"):
        await resolver.addresses(target("http://10.0.0.1/"))
    with pytest.raises(OSError, match=""):
        await resolver.addresses(target("http://nobody.invalid/"))


@pytest.mark.parametrize(
    ("address", "days", "told"),
    [
        ("127.0.0.1", 10, None),
        ("127.0.0.1", -1, "its certificate is not good: certificate has expired"),
        ("127.0.0.2", 10, "IP address mismatch"),
    ],
)
async def test_a_certificate_is_held_to_the_name_and_its_fault_told(
    tmp_path: Path, address: str, days: int, told: str | None
) -> None:
    authority = Authority(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = authority.issue("endpoint", days=days, address=address)
    serving.load_cert_chain(certificate, key)
    context = tls()
    context.load_verify_locations(authority.ca)
    async with listening(tls=serving) as there:
        endpoint = Endpoint(there.url, Resolver(private=True), context)
        answer = await endpoint.post(b"{}", {})
        await endpoint.close()
    if told is None:
        assert answer.status == 200, answer.error
    else:
        assert answer.status is None
        assert told in answer.error
        assert there.got == []


class Names(Resolver):
    """A name server of the test's: what it says of any name, one look after another."""

    def __init__(self, *said: list[str], private: bool = False) -> None:
        super().__init__(private=private)
        self._said = list(said)

    async def _resolved(self, name: str, port: int) -> list[str]:
        return self._said.pop(0)


async def test_a_name_that_leads_elsewhere_the_next_time_gains_nothing() -> None:
    """Rebinding: each try looks, at all that it says, and goes where it looked."""
    good, bad = "93.184.215.14", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"]
    there = target("https://ops.example/hook")
    names = Names([good], *([one] for one in bad), *([good, one] for one in bad))
    assert await names.addresses(there) == [good]
    for _ in range(2 * len(bad)):
        with pytest.raises(Forbidden, match=r"there: ops\.example is at "):
            await names.addresses(there)
    async with listening() as found:
        port = target(found.url).port
        once = Names(["127.0.0.1"], private=True)
        endpoint = Endpoint(f"http://ops.example:{port}/", once, tls())
        assert (await endpoint.post(b"{}", {})).status == 200
        assert found.got[0].headers["host"] == f"ops.example:{port}"
        await endpoint.close()


async def test_an_address_that_takes_no_connection_is_passed_over() -> None:
    async with listening() as found:
        port = target(found.url).port
        names = Names(["127.0.0.2", "127.0.0.1"], ["127.0.0.2"], private=True)
        endpoint = Endpoint(f"http://ops.example:{port}/", names, tls())
        assert (await endpoint.post(b"{}", {})).status == 200
        assert len(found.got) == 1
        assert "can't be connected to" in (await endpoint.post(b"{}", {})).error
        await endpoint.close()


async def test_names_that_nobody_answers_for_keep_no_other_from_being_asked() -> None:
    """As many as there may be webhooks."""
    silent = threading.Event()

    def look(name: str, _: int) -> list[str]:
        if name != "ops.example":
            silent.wait()
        return ["127.0.0.1"]

    resolver = Resolver(private=True, look=look)

    async def ask(name: str) -> list[str]:
        return await resolver.addresses(target(f"http://{name}/"))

    try:
        stuck = [
            asyncio.create_task(ask(f"n{number}.example"))
            for number in range(WEBHOOKS_MAX - 1)
        ]
        async with asyncio.timeout(20):
            assert await ask("ops.example") == ["127.0.0.1"]
        assert not any(one.done() for one in stuck)
    finally:
        silent.set()
    await asyncio.gather(*stuck)


async def creep(_: Delivery, writer: Writer) -> None:
    """A head that never ends, a byte at a time."""
    with contextlib.suppress(ConnectionError):
        for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nx: ", itertools.repeat(0x79)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)


async def pour(_: Delivery, writer: Writer) -> None:
    """The same, of 10 MB."""
    with contextlib.suppress(ConnectionError):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100):
            writer.write(b"x: " + b"y" * 100_000 + b"\r\n")
            await writer.drain()


@pytest.mark.parametrize(
    ("say", "told"), [(creep, "it did not answer within 1 s"), (pour, "HTTP")]
)
async def test_a_head_without_end_fails_and_is_told(
    monkeypatch: pytest.MonkeyPatch, say: Answer, told: str
) -> None:
    monkeypatch.setattr(post, "ANSWER_S", 1.0 if say is creep else 15.0)
    async with listening(then=say) as there:
        endpoint = Endpoint(there.url, Resolver(private=True), tls())
        answer = await endpoint.post(b"{}", {})
        await endpoint.close()
    assert answer.status is None
    assert told in answer.error
