"""/asyncapi.json: the WebSocket's frames with the shapes of `schemas/`.

AsyncAPI 3.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0), made of
schemas/frame_types.py. Pure. In its words the application is this server: it
`receive`s what clients send.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.http.docs.openapi import API_VERSION, ecma
from schemas.frame_types import CLIENT, SERVER, ClientFrameType, ServerFrameType
from schemas.frames import FRAME_BYTES_MAX, REF_CHARS_MAX, RefusedData

SCHEMAS = "#/components/schemas/{name}"
CHANNEL = {"$ref": "#/channels/ws"}

DESCRIPTION = f"""\
A frame is one WebSocket text message of at most {FRAME_BYTES_MAX // 1024} KiB: \
`{{"type", "ref", "data"}}` from a client, answered with `reply` or `refused` of the \
same `ref`; events carry `seq`, the cursor to come back with (`?since=`)."""

_REF = {
    "type": ["string", "null"],
    "maxLength": REF_CHARS_MAX,
    "description": "the client's own, comes back on the answer",
}
_SEQ = {"type": "integer", "description": "the event's own number in its region"}
_TRACE = {
    "type": "string",
    "description": "W3C Trace Context: of the frame, or of the one that caused this",
}

SchemaOf = Callable[[Any], dict[str, Any]]


def document() -> dict[str, Any]:
    """The AsyncAPI document of `/ws`."""
    schema_of, components = _schemas()
    messages = {frame.type: _from_client(frame, schema_of) for frame in CLIENT}
    operations = {}
    for frame in CLIENT:
        answers = ["welcome"] if frame.type == "session.login" else []
        if frame.answer is not None:
            answers = [_answer(frame.type)]
            messages[answers[0]] = _reply(frame, schema_of)
        operations[_name("receive", frame.type)] = _receive(frame, answers)
    messages["refused"] = _refused(schema_of)
    for event in SERVER:
        messages[event.type] = _from_server(event, schema_of)
        operations[_name("send", event.type)] = {
            "action": "send",
            "channel": CHANNEL,
            "messages": [_message(event.type)],
            "summary": f"To {event.to}.",
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cabrank",
            "version": API_VERSION,
            "description": DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "channels": {"ws": _channel(messages)},
        "operations": operations,
        "components": {"messages": messages, "schemas": components},
    }
    mended: dict[str, Any] = ecma(document)
    return mended


def _schemas() -> tuple[SchemaOf, dict[str, Any]]:
    """The schema of any shape in the table, and the components it refers to."""
    shapes: list[Any] = [RefusedData]
    for frame in CLIENT:
        shapes += [frame.data] if frame.answer is None else [frame.data, frame.answer]
    for event in SERVER:
        shapes += event.data if isinstance(event.data, tuple) else [event.data]
    schemas, components = msgspec.json.schema_components(shapes, ref_template=SCHEMAS)

    def schema_of(shape: Any) -> dict[str, Any]:
        if isinstance(shape, tuple):
            return {"anyOf": [schema_of(one) for one in shape]}
        return schemas[shapes.index(shape)]

    return schema_of, components


def _channel(messages: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": "/ws",
        "description": "Role from the token. `/taxi/`, `/rider/`, `/driver/` are "
        "aliases; the last two refuse another role. `/ws/chat/<room>/` also joins "
        "that room: after `welcome` comes the join's reply, `ref` null.",
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in messages
        },
        "bindings": {
            "ws": {
                "query": {
                    "type": "object",
                    "properties": {
                        "token": {
                            "type": "string",
                            "description": "an access token; or by Authorization, by "
                            "subprotocol, or by `session.login`",
                        },
                        "since": {
                            "type": "integer",
                            "description": "cursor: send what was missed after it",
                        },
                    },
                }
            }
        },
    }


def _from_client(frame: ClientFrameType, schema_of: SchemaOf) -> dict[str, Any]:
    who = ", ".join(role.value for role in frame.roles)
    return {
        "name": frame.type,
        "summary": frame.summary,
        "description": f"Sent by: {who}.",
        "payload": {
            "type": "object",
            "properties": {
                "type": {"const": frame.type},
                "ref": _REF,
                "traceparent": _TRACE,
                "data": schema_of(frame.data),
            },
            "required": ["type"],
        },
    }


def _reply(frame: ClientFrameType, schema_of: SchemaOf) -> dict[str, Any]:
    return {
        "name": "reply",
        "summary": f"Answer to `{frame.type}`.",
        "payload": _answer_payload("reply", schema_of(frame.answer)),
    }


def _refused(schema_of: SchemaOf) -> dict[str, Any]:
    return {
        "name": "refused",
        "summary": "A frame that was not carried out, and why.",
        "payload": _answer_payload("refused", schema_of(RefusedData)),
    }


def _answer_payload(tag: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"const": tag}, "ref": _REF, "data": data},
        "required": ["type", "ref", "data"],
    }


def _from_server(event: ServerFrameType, schema_of: SchemaOf) -> dict[str, Any]:
    properties: dict[str, Any] = {"type": {"const": event.type}}
    if event.seq:
        properties["seq"] = _SEQ
    properties["data"] = schema_of(event.data)
    required = list(properties)
    if event.seq:
        properties["traceparent"] = _TRACE
    return {
        "name": event.type,
        "summary": event.summary,
        "payload": {
            "type": "object",
            "properties": properties,
            "required": required,
        },
    }


def _receive(frame: ClientFrameType, answers: list[str]) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": CHANNEL,
        "messages": [_message(frame.type)],
        "summary": frame.summary,
        "reply": {
            "channel": CHANNEL,
            "messages": [_message(name) for name in (*answers, "refused")],
        },
    }


def _message(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/ws/messages/{name}"}


def _answer(frame_type: str) -> str:
    return f"{frame_type}.reply"


def _name(action: str, frame_type: str) -> str:
    return f"{action}_{frame_type.replace('.', '_')}"
