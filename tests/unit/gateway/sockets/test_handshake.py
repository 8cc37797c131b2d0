"""What counts of an upgrade request's query and lists, however much else is there."""

from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity import device
from gateway.sockets import handshake
from gateway.sockets.handshake import SUBPROTOCOLS_MAX, Accepted, Rejected

PIECES = [
    *("token", "since", "%74oken", "to%6Ben", "to%6ben", "s%69nce", "TOKEN", "%54oken"),
    *(
        "&",
        "=",
        "&&",
        "+",
        "%2B",
        "%26",
        "%3d",
        "%",
        "%e9",
        "\xe9",
        ";",
        "\n",
        "5",
        "x",
    ),
]


def judged(query: str, **headers: list[str]) -> tuple[Accepted | Rejected, list[str]]:
    """The verdict, and the tokens that were to be verified."""
    asked: list[str] = []

    def verify(token: str) -> handshake.Claims:
        asked.append(token)
        raise handshake.InvalidToken("no")

    found = {name.replace("_", "-"): values for name, values in headers.items()}
    verdict = handshake.judge(
        "/ws?" + query, lambda name: found.get(name, []), [], verify
    )
    return verdict, asked


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_query_is_read_as_a_form(query: str) -> None:
    verdict, asked = judged(query)
    fields = parse_qs(query, keep_blank_values=True)
    assert asked == fields.get("token", [])[-1:]
    if isinstance(verdict, Accepted):
        since = fields.get("since", [""])[-1]
        assert verdict.since == (
            int(since) if since.isascii() and since.isdigit() else None
        )


@pytest.mark.parametrize("count", [0, 20_000])
def test_of_many_fields_the_last_ones_count(count: int) -> None:
    others = "%41&" * count + "token=b&" * (count // 10)
    verdict, asked = judged(f"since=1&token=a&{others}&token=c+d&since=7")
    assert asked == ["c d"]
    assert isinstance(verdict, Rejected)
    verdict, asked = judged(f"since=1&{'%41&' * count}since=7")
    assert asked == []
    assert isinstance(verdict, Accepted)
    assert verdict.since == 7


def test_a_token_that_can_be_none_is_not_decoded() -> None:
    _, asked = judged("token=" + "%41" * 20_000)
    assert len(asked[0]) > handshake.TOKEN_CHARS_MAX


@pytest.mark.parametrize(
    "lists",
    [
        [",".join(["a"] * SUBPROTOCOLS_MAX)],
        ["a"] * SUBPROTOCOLS_MAX,
        ["a, b"] * (SUBPROTOCOLS_MAX // 2),
    ],
)
def test_so_many_subprotocols_may_be_offered(lists: list[str]) -> None:
    verdict, _ = judged("", sec_websocket_protocol=lists)
    assert isinstance(verdict, Accepted)
    verdict, _ = judged("", sec_websocket_protocol=[*lists, "cabrank.v1"])
    assert isinstance(verdict, Rejected)
    assert verdict.status == 400


DEVICE = "d" * 22


@pytest.mark.parametrize(
    ("cookies", "name"),
    [
        ([f"cabrank_device={DEVICE}"], DEVICE),
        ([f"a=b; cabrank_device={DEVICE} ;c"], DEVICE),
        (["a=b", f"c=d;cabrank_device={DEVICE}"], DEVICE),
        ([f"cabrank_device=short;cabrank_device={DEVICE}"], DEVICE),
        ([";" * 60_000 + f"cabrank_device={DEVICE}"], DEVICE),
        ([f"xcabrank_device={DEVICE}"], ""),
        ([f"a=cabrank_device={DEVICE}"], ""),
        ([f"cabrank_device ={DEVICE}"], ""),
        ([f"cabrank_device={DEVICE} x"], ""),
        (["cabrank_device=" + "d" * 65], ""),
        ([], ""),
    ],
)
def test_a_device_is_named_by_its_cookie(cookies: list[str], name: str) -> None:
    assert device.named(cookies) == name
