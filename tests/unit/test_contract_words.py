"""docs/PROTOCOL.md and the JavaScript client's types say what the code's enums and
structs say: a refusal, a close, a frame or a field that is added is told in both.
"""

import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import frames, trips
from schemas.closes import REASONS, Close
from schemas.frame_shapes import WelcomeShape
from schemas.frame_types import CLIENT, SERVER
from schemas.refusals import Code
from schemas.rooms import MessageData

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "PROTOCOL.md").read_text()
TYPES = (ROOT / "web" / "client" / "cabrank.d.ts").read_text()
CLIENTS_OWN = {"state", "closed", "disconnected", "error", "*"}
"""Events of the JavaScript client that are no frames."""
TWO_WAYS = {"session.login"}
"""Whose `data` has one of two shapes."""


def section(number: int) -> str:
    _, _, rest = PROTOCOL.partition(f"\n## {number}. ")
    return rest.partition("\n## ")[0]


def rows(head: str) -> list[list[str]]:
    """The cells of the table that begins so."""
    _, _, rest = section(2).partition(f"| {head} |")
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table
    ]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def fields(shape: Any) -> dict[str, bool]:
    """Name → whether it may be left out."""
    return {one.name: not one.required for one in msgspec.structs.fields(shape)}


# ---- docs/PROTOCOL.md --------------------------------------------------------


def test_its_refusals_are_the_codes_in_their_order() -> None:
    told = section(3).partition("Checked in this order")[0]
    assert quoted(told) == [code.value for code in Code]
    again = set(re.findall(r"`(\w+)` \(retryable\)", told))
    assert again == {code.value for code in Code if code.is_retryable}


def test_its_close_codes_are_ours() -> None:
    told = {int(code) for code in re.findall(r"`(4\d{3})`", section(4))}
    assert told == {close.value for close in Close if close >= 4000}
    assert {close for close in Close if close is not Close.NORMAL} == REASONS.keys()
    for close in (Close.UNSUPPORTED_DATA, Close.TOO_BIG, Close.TRY_AGAIN_LATER):
        assert str(close.value) in PROTOCOL


def test_its_frames_are_those_that_there_are() -> None:
    sent = [name for row in rows("client sends") for name in quoted(row[0])]
    assert sorted(sent) == sorted(one.type for one in CLIENT if not one.older)
    older = [one.type for one in CLIENT if one.older]
    assert all(f"`{name}" in section(2) for name in older)
    told = [name for row in rows("server sends") for name in quoted(row[0])]
    told.append("welcome")  # in a sentence of its own
    assert sorted({*told}) == sorted(one.type for one in SERVER)
    assert "`welcome`" in section(2)


def test_its_frames_have_the_fields_that_there_are() -> None:
    shapes = {one.type: one.data for one in CLIENT}
    for row in rows("client sends"):
        names = [name for name in quoted(row[0]) if name not in TWO_WAYS]
        data = [text for text in quoted(row[2]) if text.startswith("{")]
        if not names:
            continue
        each = data if len(data) == len(names) else data[:1] * len(names)
        for name, text in zip(names, each, strict=True):
            said = re.findall(r"(\w+)(\??)", re.sub(r": \[.*?\]", "", text))
            wanted = {field: bool(optional) for field, optional in said}
            # `driver.online {offers: true}`: what else it may say.
            shown = [one for one in quoted(row[2]) if one.startswith(f"{name} {{")]
            wanted |= dict.fromkeys(re.findall(r"(\w+):", "".join(shown)), True)
            assert wanted == fields(shapes[name]), name


def test_its_trip_and_welcome_have_the_fields_that_there_are() -> None:
    document = section(1).partition("```json\n")[2].partition("```")[0]
    # `{"id", "username"}` stands for a person.
    plain = re.sub(r"\{(\"\w+\"(?:, \"\w+\")*)\}", r"[\1]", document)
    trip = json.loads(plain)
    assert trip.keys() == fields(trips.Trip).keys()
    assert trip["rider"] == list(fields(trips.Person))
    (status,) = re.findall(r"role is (.*?)\.", section(1))
    assert re.findall(r"`(\w+)`", status) == [role.value for role in trips.Role]
    table = section(1).partition("| status |")[2].partition("\n\n")[0]
    told = set(re.findall(r"\b(?!CABRANK_)[A-Z][A-Z_]{4,}\b", table))
    assert told == {one.value for one in trips.Status}
    _, _, rest = section(2).partition('{"type": "welcome", "data": {')
    welcome, _, words = rest.partition("}}")
    # What v1.1 adds is told in a sentence.
    added = re.split(r"\.\s", words.partition("◆ `trips`")[2])[0]
    told = {*re.findall(r'"(\w+)"', welcome), *re.findall(r"`(\w+)`[,:]", added)}
    assert told == fields(WelcomeShape).keys()


# ---- web/client/cabrank.d.ts -------------------------------------------------


def union(name: str) -> list[str]:
    _, _, rest = TYPES.partition(f"type {name} =")
    return re.findall(r'"([^"]+)"', rest.partition(";")[0])


def interface(name: str) -> dict[str, bool]:
    """Its own and inherited fields → whether they may be left out."""
    found = re.search(
        rf"interface {name}(?: extends (\w+))? {{\n(.*?)\n}}", TYPES, re.DOTALL
    )
    assert found is not None, name
    own = re.findall(r"^  (\w+)(\??):", found[2], re.MULTILINE)
    inherited = interface(found[1]) if found[1] else {}
    return inherited | {field: bool(optional) for field, optional in own}


@pytest.mark.parametrize("enum", [Code, trips.Role, trips.Status])
def test_the_clients_unions_are_the_enums(enum: type[Enum]) -> None:
    assert union(enum.__name__) == [one.value for one in enum]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Person", trips.Person),
        ("User", trips.User),
        ("Position", trips.Position),
        ("Trip", trips.Trip),
        ("Message", MessageData),
        ("Welcome", WelcomeShape),
        ("TripRequest", frames.RequestTripData),
    ],
)
def test_the_clients_shapes_have_the_fields_that_there_are(
    name: str, shape: Any
) -> None:
    assert interface(name).keys() == fields(shape).keys()
    if name == "TripRequest":
        assert interface(name) == fields(shape)


def test_the_clients_events_are_the_frames_that_it_hears() -> None:
    _, _, rest = TYPES.partition("type ClientEvents = {")
    listed = re.findall(r'^  "?([\w.*]+)"?: \[', rest.partition("\n}")[0], re.MULTILINE)
    heard = {*listed, *union("TripEvent")} - CLIENTS_OWN
    assert heard == {one.type for one in SERVER}
