"""Holds what a system says to what it documents of it (/openapi.json, /asyncapi.json),
strictly: no field that isn't told of, no status, no content type.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from gateway.http.docs import asyncapi

JSON = "application/json"


def strict(schema: Any) -> Any:
    """The same, where objects have no more fields than are named."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


class Frames:
    """What AsyncAPI tells of frames."""

    def __init__(self) -> None:
        document: Any = json.loads(json.dumps(asyncapi.document()))
        self._components = {"components": strict(document["components"])}
        self._messages: dict[str, Any] = self._components["components"]["messages"]

    @cache  # noqa: B019 - one for the whole run
    def _validator(self, message: str) -> Any:
        whole = self._messages[message]["payload"] | self._components
        return jsonschema_rs.Draft202012Validator(whole)

    def faults(self, message: str, frame: Mapping[str, Any]) -> list[str]:
        """`message`: its type, `trip.get.reply` of an answer to `trip.get`."""
        if message not in self._messages:
            return [f"{message} isn't documented"]
        return [
            f"{message}: {'/'.join(map(str, error.instance_path))}: {error.message}: "
            f"{frame}"
            for error in self._validator(message).iter_errors(frame)
        ]


class Routes:
    """What OpenAPI tells of routes."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = {"components": strict(document["components"])}
        self._paths = document["paths"]

    def operations(self) -> set[tuple[str, str]]:
        """(method, template)"""
        return {
            (method.upper(), path)
            for path, methods in self._paths.items()
            for method in methods
        }

    def template_of(self, method: str, path: str) -> str | None:
        """Of the route that serves it; None: none that is documented."""
        for template, methods in self._paths.items():
            pattern = re.sub(r"{\w+}", "[^/]+", template)
            if method.lower() in methods and re.fullmatch(pattern, path):
                return str(template)
        return None

    @cache  # noqa: B019 - one for the whole run
    def _validator(self, method: str, path: str, status: str, kind: str) -> Any:
        """None: it has no body."""
        said = self._paths[path][method.lower()]["responses"]
        where = f"{method} {path}"
        assert status in said, f"{where}: {status} isn't documented"
        content = said[status].get("content", {})
        if not content:
            assert kind == "", f"{where}: {status} is documented without a body"
            return None
        if not kind and "no body" in said[status]["description"]:
            return None
        assert kind in content, f"{where}: {status} has {kind or 'no body'}"
        schema = strict(content[kind].get("schema", {}))
        return jsonschema_rs.Draft202012Validator(schema | self._components)

    def check(self, method: str, path: str, answer: Any) -> None:
        """`path`: the template."""
        body: bytes = answer.content
        kind = answer.headers.get("content-type", [""])
        kind = kind if isinstance(kind, str) else kind[0]
        kind = kind.partition(";")[0] if body else ""
        validator = self._validator(method, path, str(answer.status_code), kind)
        if validator is None or not kind.endswith("json"):
            return
        faults = [
            f"{'/'.join(map(str, error.instance_path))}: {error.message}"[:300]
            for error in validator.iter_errors(json.loads(body))
        ]
        where = f"{method} {path}: {answer.status_code}"
        assert faults == [], f"{where}: {faults}\n{body[:500]!r}"


def holding(base: str) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook of an httpx client: whatever it was given is as it is documented."""
    told = Routes(httpx.get(f"{base}/openapi.json", trust_env=False).json())

    async def check(answer: httpx.Response) -> None:
        method = answer.request.method
        path = told.template_of(method, answer.request.url.path)
        if path is not None and answer.is_success:
            await answer.aread()
            told.check(method, path, answer)

    return check
