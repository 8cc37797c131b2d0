"""The page at /docs: both documents as plain HTML, without a script. Pure.

Our own, since no viewer shows OpenAPI and AsyncAPI together, and the usual ones load a
megabyte of script from elsewhere.
"""

from collections.abc import Iterator
from html import escape
from typing import Any

from gateway.http.docs.openapi import ecma
from schemas import forms
from schemas.closes import REASONS
from schemas.refusals import Code

METHODS = ("get", "post", "put", "patch", "delete")


def render(openapi: dict[str, Any], asyncapi: dict[str, Any]) -> str:
    """The whole page."""
    body = "\n".join(
        [
            *_head(openapi),
            "<h2 id='http'>HTTP</h2>",
            *_routes(openapi),
            "<h2 id='ws'>WebSocket</h2>",
            _text(asyncapi["info"]["description"]),
            *_frames(asyncapi),
            "<h2 id='refusals'>Refusals</h2>",
            *_refusals(),
            "<h2 id='closes'>Close codes</h2>",
            *_closes(),
            "<h2 id='shapes'>Shapes</h2>",
            *_shapes({**asyncapi["components"]["schemas"], **_http_schemas(openapi)}),
        ]
    )
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<title>cabrank: the API</title>\n"
        "<link rel='stylesheet' href='/docs/docs.css'>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(openapi: dict[str, Any]) -> Iterator[str]:
    yield "<h1>cabrank</h1>"
    yield (
        "<nav><a href='#http'>HTTP</a> <a href='#ws'>WebSocket</a> "
        "<a href='#refusals'>Refusals</a> <a href='#closes'>Close codes</a> "
        "<a href='#shapes'>Shapes</a> <a href='/openapi.json'>openapi.json</a> "
        "<a href='/asyncapi.json'>asyncapi.json</a></nav>"
    )
    yield _text(openapi["info"]["description"])


def _http_schemas(openapi: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = openapi["components"]["schemas"]
    return schemas


# ---- HTTP --------------------------------------------------------------------


def _routes(openapi: dict[str, Any]) -> Iterator[str]:
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if method in operations:
                yield from _route(path, method, operations[method])


def _route(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    lock = " <span class='lock'>bearer</span>" if operation.get("security") else ""
    yield f"<section id='{escape(operation['operationId'])}'>"
    yield f"<h3><b class='{method}'>{method.upper()}</b> {escape(path)}{lock}</h3>"
    yield _text(operation["summary"] + ".")
    yield _text(operation.get("description", ""))
    parameters = operation.get("parameters", [])
    if parameters:
        rows = (
            (
                f"<code>{escape(p['name'])}</code>",
                p["in"],
                _shape(p["schema"]),
                _inline(p.get("description") or p["schema"].get("description", "")),
            )
            for p in parameters
        )
        yield from _table(("parameter", "in", "shape", ""), rows)
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_content(body)}</p>"
    rows_ = (
        (status, _content(answer), _inline(answer.get("description", "")))
        for status, answer in operation["responses"].items()
    )
    yield from _table(("status", "body", ""), rows_)
    yield "</section>"


def _content(carrier: dict[str, Any]) -> str:
    shapes = [_shape(c.get("schema", {})) for c in carrier.get("content", {}).values()]
    return ", ".join(shapes)


# ---- WebSocket ---------------------------------------------------------------


def _frames(asyncapi: dict[str, Any]) -> Iterator[str]:
    messages = asyncapi["components"]["messages"]
    operations = asyncapi["operations"].values()
    yield "<h3>Clients send</h3>"
    rows = []
    for operation in operations:
        if operation["action"] == "receive":
            message = messages[_target(operation["messages"][0])]
            answers = (messages[_target(ref)] for ref in operation["reply"]["messages"])
            rows.append(
                (
                    f"<code>{escape(message['name'])}</code>",
                    _data(message),
                    ", ".join(_answer(answer) for answer in answers),
                    _inline(f"{message['summary']} {message['description']}"),
                )
            )
    yield from _table(("type", "data", "answer", ""), rows)
    yield "<h3>The server sends</h3>"
    rows = []
    for operation in operations:
        if operation["action"] == "send":
            message = messages[_target(operation["messages"][0])]
            rows.append(
                (
                    f"<code>{escape(message['name'])}</code>",
                    _data(message),
                    "seq" if "seq" in message["payload"]["properties"] else "",
                    _inline(f"{message['summary']} {operation['summary']}"),
                )
            )
    yield from _table(("type", "data", "", ""), rows)


def _answer(message: dict[str, Any]) -> str:
    name = f"<code>{escape(message['name'])}</code>"
    return f"{name} {_data(message)}" if message["name"] == "reply" else name


def _data(message: dict[str, Any]) -> str:
    return _shape(message["payload"]["properties"]["data"])


# ---- what both have ----------------------------------------------------------


def _refusals() -> Iterator[str]:
    rows = (
        (
            f"<code id='{code.value}'>{code.value}</code>",
            str(code.http_status),
            "yes" if code.is_retryable else "",
            escape(code.http_title),
        )
        for code in Code
    )
    yield from _table(("code", "HTTP, usually", "retryable", ""), rows)


def _closes() -> Iterator[str]:
    yield _text("4000 to 4499: come back. 4500 to 4999: do not.")
    rows = ((str(int(close)), escape(reason)) for close, reason in REASONS.items())
    yield from _table(("code", "reason"), rows)


def _shapes(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"<section id='shape-{escape(name)}'><h3>{escape(name)}</h3>"
        yield _text(schema.get("description", ""))
        if values := schema.get("enum"):
            yield _text(", ".join(f"`{value}`" for value in values))
        required = schema.get("required", ())
        rows = (
            (
                f"<code>{escape(field)}</code>",
                _shape(inner),
                "" if field in required else "optional",
                _inline(inner.get("description", "")),
            )
            for field, inner in schema.get("properties", {}).items()
        )
        if schema.get("properties"):
            yield from _table(("field", "shape", "", ""), rows)
        yield "</section>"


_LIMITS = {
    "minLength": "min. {} characters",
    "maxLength": "max. {} characters",
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "default": "default <code>{}</code>",
}
_FORMS = {ecma({"pattern": p})["pattern"]: w for p, w in forms.WORDS.items()}
"""By pattern, as the documents have it: how it is told."""


def _shape(schema: dict[str, Any]) -> str:
    """One schema in a few words; named ones as links."""
    if ref := schema.get("$ref"):
        name = escape(_target(schema))
        return f"<a href='#shape-{name}'>{name}</a>" if ref else ""
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_shape(inner) for inner in schema[union])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(v))}</code>" for v in schema["enum"])
    kind = schema.get("type", "anything")
    words = escape(" or ".join(kind) if isinstance(kind, list) else str(kind))
    if kind == "array" and (parts := schema.get("prefixItems")):
        words = f"list of {len(parts)}: {'; '.join(map(_shape, parts))}"
    elif kind == "array":
        words = f"list of {_shape(schema.get('items', {}))}"
    limits = [
        text.format(escape(_plain(schema[key])))
        for key, text in _LIMITS.items()
        if schema.get(key) not in {None, ""}
    ]
    if pattern := schema.get("pattern"):
        limits.append(_FORMS.get(pattern) or f"<code>{escape(pattern)}</code>")
    return ", ".join([words, *limits])


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _target(ref: dict[str, Any]) -> str:
    """The last part of a `$ref`."""
    target: str = ref["$ref"].rpartition("/")[2]
    return target


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "<table><thead><tr>"
    yield "".join(f"<th>{escape(name)}</th>" for name in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table>"


def _text(text: str) -> str:
    """Paragraphs."""
    parts = (part.strip() for part in text.split("\n\n"))
    return "\n".join(f"<p>{_inline(part)}</p>" for part in parts if part)


def _inline(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if number % 2 else part
        for number, part in enumerate(parts)
    )
