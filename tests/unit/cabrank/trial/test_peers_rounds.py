"""benchmarks/peers: what rounds say, and the protocols of the strongest's clients. The
servers themselves run in `make peers` only.
"""

import asyncio
import json
import sys
from pathlib import Path

import jwt
import pytest

from cabrank.trial.bench.tally import MARK, REQUESTED
from cabrank.trial.load import LoadError
from cabrank.trial.load.frames import command
from schemas.trips import Role

PEERS = Path(__file__).resolve().parents[4] / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))

import page  # noqa: E402
import parts  # noqa: E402
import rounds  # noqa: E402
import run  # noqa: E402
from brokers import centrifugo, links, mosquitto, nats_ws, nchan  # noqa: E402
from brokers.table import BROKERS  # noqa: E402

REQUEST = command(
    "trip.request",
    "ask",
    {"pick_up_address": "000042 Main Street", "drop_off_address": "2 Station Road"},
)


def found() -> list[rounds.Round]:
    first = {"cabrank": {"connects": 100.0}, "Other": {"connects": 50.0}}
    second = {"cabrank": {"connects": 100.0}, "Other": {"connects": 200.0}}
    alone = {"cabrank": {"connects": 10_000.0}}
    troubled = {"Other": {"1 lost": 1}}
    return [
        rounds.Round("idle", 1.0, first),
        rounds.Round("idle", 2.5, second, troubled),
        rounds.Round("idle", 2.0, alone),
    ]


# ---- what rounds say -----------------------------------------------------------


def test_ratios_are_of_systems_within_one_round() -> None:
    assert rounds.ratios(found(), "Other", "connects") == [2.0, 0.5]
    assert rounds.values(found(), "cabrank", "connects") == [100.0, 100.0, 10_000.0]


def test_every_system_has_its_column_of_medians() -> None:
    lines = rounds.table(found()).splitlines()
    assert lines[0] == "| job | cabrank | Other |"
    (row,) = [line for line in lines if "connects per gateway" in line]
    assert row.endswith("| 100 | 125 |")


def test_where_we_are_behind_is_bold() -> None:
    ahead = [
        rounds.Round("idle", 0, {"cabrank": {"connects": 9.0}, "A": {"connects": 3.0}})
    ]
    behind = [
        rounds.Round("idle", 0, {"cabrank": {"connects": 3.0}, "A": {"connects": 6.0}})
    ]
    less = [
        rounds.Round("", 0, {"cabrank": {"return: s": 3.0}, "A": {"return: s": 6.0}})
    ]
    assert "| more | 3.00 |" in rounds.beside(ahead)
    assert "| more | **0.50** |" in rounds.beside(behind)
    assert "| less | 0.50 |" in rounds.beside(less)


def test_page_tells_rounds_load_settings_and_licences() -> None:
    written = page.strongest(found())
    assert "(idle 3)" in written
    assert "1 to\n2.5" in written or "1 to 2.5" in written
    assert "- Other, idle: 1 times: 1 lost" in written
    for broker in BROKERS:
        assert f"**{broker.name}** ({broker.licence})" in written
    assert page.strongest([]) == ""


def test_figures_are_kept_as_they_were_written(tmp_path: Path) -> None:
    kept = page.Kept(rounds=found())
    page.write(tmp_path / "PAGE.md", kept)
    assert page.read(tmp_path / "PAGE.json") == kept
    assert page.read(tmp_path / "nothing.json") == page.Kept()
    (tmp_path / "PAGE.json").write_text("no figures")
    with pytest.raises(LoadError, match="no figures of"):
        page.read(tmp_path / "PAGE.json")
    assert "Beside taxi services" not in (tmp_path / "PAGE.md").read_text()


def test_page_of_the_docs_is_what_its_figures_make() -> None:
    docs = PEERS.parent.parent / "docs"
    kept = page.read(docs / "BENCHMARKS.json")
    text = (docs / "BENCHMARKS.md").read_text()
    assert page.strongest(kept.rounds) in text
    assert page.services(kept) in text


# ---- what the clients speak ----------------------------------------------------


def test_publication_is_as_long_as_our_frame_and_bears_the_request_s_mark() -> None:
    made = links.publication(REQUEST)
    assert made is not None
    assert len(made) == links.FRAME_BYTES
    assert made.startswith(REQUESTED)
    assert MARK + b"000042" in made
    assert json.loads(made)["type"] == "trip.requested"


def test_what_is_no_request_is_not_published() -> None:
    assert links.publication(command("trip.cancel", "clear", {"id": "x"})) is None


def test_tokens_tell_the_role_and_are_signed() -> None:
    token = links.hs256(Role.DRIVER)
    assert links.claims(token)["name"] == "driver"
    assert jwt.decode(token, links.SECRET, algorithms=["HS256"])["name"] == "driver"
    assert links.claims(nats_ws.token(Role.RIDER))["name"] == "rider"
    assert "&u=driver-" in nchan.token(Role.DRIVER)


async def cut_anywhere(
    link: links.Binary, heard: list[bytes], stream: bytes, expected: list[bytes]
) -> None:
    for cut in range(len(stream) + 1):
        heard.clear()
        link.left = link.feed(stream[:cut])
        link.left = link.feed(link.left + stream[cut:])
        assert heard == expected
        assert link.left == b""


async def test_mqtt_is_read_wherever_it_is_cut() -> None:
    heard: list[bytes] = []
    link = mosquitto.Mqtt(heard.append, lambda _: None)
    long = b"y" * 391
    stream = mosquitto.packet(mosquitto.CONNACK, b"\x00\x00")
    stream += mosquitto.packet(mosquitto.SUBACK, b"\x00\x01\x00")
    stream += link.packed(b"short") + link.packed(long)
    await cut_anywhere(link, heard, stream, [b"short", long])
    assert link.settled.done()


async def test_mqtt_s_refusal_is_told() -> None:
    link = mosquitto.Mqtt(lambda _: None, lambda _: None)
    link.feed(mosquitto.packet(mosquitto.CONNACK, b"\x00\x05"))
    with pytest.raises(mosquitto.LinkError, match="5"):
        await link.settled


async def test_nats_is_read_wherever_it_is_cut() -> None:
    heard: list[bytes] = []
    link = nats_ws.Nats(heard.append, lambda _: None)
    stream = b'INFO {"x":1}\r\nPONG\r\nMSG drivers 1 5\r\nab\r\nc\r\n+OK\r\n'
    await cut_anywhere(link, heard, stream, [b"ab\r\nc"])
    assert link.settled.done()


async def test_centrifugo_s_pushes_are_told_and_where_it_was_is_known() -> None:
    heard: list[bytes] = []
    link = centrifugo.Centrifugo(heard.append, lambda _: None, "a token")
    link.read(
        b'{"id":1,"connect":{"client":"c"}}\n'
        b'{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}'
    )
    await asyncio.wait_for(link.settled, 10)
    assert centrifugo.position("a token") == {
        "recover": True,
        "epoch": "e",
        "offset": 7,
    }
    data = links.publication(REQUEST)
    assert data is not None
    push = centrifugo.PUSH + data + b',"offset":%d}}}'
    link.read(push % 8 + b"\n" + push % 9)
    assert heard == [data, data]
    assert centrifugo.position("a token")["offset"] == 9
    assert centrifugo.position("a stranger's") == {}


async def test_centrifugo_s_missed_publications_are_told() -> None:
    heard: list[bytes] = []
    link = centrifugo.Centrifugo(heard.append, lambda _: None, "another")
    link.read(
        b'{"id":2,"subscribe":{"epoch":"e","offset":2,"recovered":true,'
        b'"publications":[{"data":{"a":1},"offset":1},{"data":{"a":2},"offset":2}]}}'
    )
    assert heard == [b'{"a":1}', b'{"a":2}']


# ---- the command ---------------------------------------------------------------


def test_what_is_missing_is_left_out_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = BROKERS[0].__class__(
        *("Gone", "", "", BROKERS[0].start, BROKERS[0].connect),
        lacking=lambda: "Go is missing",
    )
    assert run.there([gone]) == []
    assert capsys.readouterr().err == "Gone is left out: Go is missing.\n"


def test_unknown_peer_is_refused_by_name() -> None:
    run.check(["bun", "Centrifugo", "daphne"])
    with pytest.raises(LoadError, match="'nonsense'"):
        run.check(["nonsense"])


@pytest.mark.parametrize(
    "words", [("--only", "nonsense"), ("--part", "nonsense"), ("--rounds", "0")]
)
def test_bad_input_is_said_in_a_line(
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    try:
        status = run.main()
    except SystemExit as left:  # as argparse does
        status = left.code
    assert status == 2
    *usage, said = capsys.readouterr().err.splitlines()
    assert words[-1] in said
    assert not usage or usage[0].startswith("usage: make peers")


def test_help_has_an_example() -> None:
    assert run.EXAMPLE in run.options().format_help()


def test_only_who_recovers_takes_part_in_the_return() -> None:
    (part,) = [part for part in parts.PARTS if part.recovery]
    assert part.name == "return"
    assert {broker.name for broker in BROKERS if broker.recovers} == {
        "Centrifugo, memory",
        "Centrifugo, Redis",
    }
