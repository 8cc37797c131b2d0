import json
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from gateway import framing
from gateway.http.docs import asyncapi
from schemas import frames
from schemas.events import TripEventType
from schemas.frame_shapes import WelcomeShape
from schemas.frame_types import CLIENT, SERVER
from schemas.refusals import Code, Refusal

DOCUMENT: Any = json.loads(json.dumps(asyncapi.document()))
MESSAGES: Any = DOCUMENT["components"]["messages"]


def validator(message: str) -> jsonschema.Draft202012Validator:
    schema = {
        **MESSAGES[message]["payload"],
        "components": DOCUMENT["components"],
    }
    return jsonschema.Draft202012Validator(schema)


def test_every_event_type_is_in_the_table() -> None:
    assert {frame.type for frame in SERVER} >= set(get_args(TripEventType))


def test_the_welcome_in_the_table_has_the_fields_of_the_welcome_sent() -> None:
    documented = WelcomeShape.__struct_fields__
    assert documented == frames.WelcomeData.__struct_fields__


@pytest.mark.parametrize("frame", CLIENT, ids=lambda frame: frame.type)
def test_each_client_frame_is_received_and_answered(frame: Any) -> None:
    operation = DOCUMENT["operations"]["receive_" + frame.type.replace(".", "_")]
    assert operation["action"] == "receive"
    ref = "#/channels/ws/messages/"
    assert operation["messages"] == [{"$ref": ref + frame.type}]
    answers = [m["$ref"].removeprefix(ref) for m in operation["reply"]["messages"]]
    assert "refused" in answers
    if frame.answer is not None:
        assert f"{frame.type}.reply" in answers
    assert set(answers) <= set(DOCUMENT["channels"]["ws"]["messages"])


@pytest.mark.parametrize("frame", SERVER, ids=lambda frame: frame.type)
def test_each_server_frame_is_sent(frame: Any) -> None:
    operation = DOCUMENT["operations"]["send_" + frame.type.replace(".", "_")]
    assert operation["action"] == "send"
    assert ("seq" in MESSAGES[frame.type]["payload"]["properties"]) == frame.seq


def test_every_reference_leads_somewhere() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                found = DOCUMENT
                for part in node["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)


@pytest.mark.parametrize(
    ("data", "good"),
    [
        ({"pick_up_address": "A", "drop_off_address": "B"}, True),
        ({"pick_up_address": "A"}, False),
        ({"pick_up_address": "", "drop_off_address": "B"}, False),
        (
            {
                "pick_up_address": "A",
                "drop_off_address": "B",
                "pick_up": {"lat": 91, "lon": 0},
            },
            False,
        ),
    ],
)
def test_the_document_takes_what_the_codec_takes(data: Any, good: bool) -> None:
    frame = {"type": "trip.request", "ref": "1", "data": data}
    assert validator("trip.request").is_valid(frame) is good
    try:
        msgspec.convert(data, frames.RequestTripData)
    except msgspec.ValidationError:
        assert not good
    else:
        assert good


def test_a_refusal_as_it_is_sent_fits_the_document() -> None:
    sent = framing.refused(None, Refusal(Code.DRIVER_BUSY, "one trip"))
    validator("refused").validate(json.loads(sent[sent.index(b"{") :]))
