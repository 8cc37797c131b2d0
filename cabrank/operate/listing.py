"""`cabrank settings`: every setting, its default, what it is set to, what it means."""

import os
import textwrap
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from runtime import settings

INDENT = "    "
WIDTH = 88


def rows(environ: Mapping[str, str] = os.environ) -> list[dict[str, str | None]]:
    """variable, default, current (None: not set), meaning."""
    return [
        {
            "variable": variable,
            "default": default,
            "current": _shown(environ.get(variable)),
            "meaning": meaning,
        }
        for variable, default, meaning in describe()
    ]


def describe() -> list[tuple[str, str, str]]:
    """All settings as (variable, default, meaning)."""
    found = []
    defaults = settings.Settings()
    for field in msgspec.structs.fields(settings.Settings):
        meaning = ""
        for kind in (field.type, getattr(field.type, "type", None)):
            info = msgspec.inspect.type_info(kind) if kind is not None else None
            extra = getattr(info, "extra_json_schema", None) or {}
            meaning = extra.get("description", meaning)
        default = str(getattr(defaults, field.name))
        found.append((settings.variable(field.name), default, meaning))
    return found


def _shown(value: str | None) -> str | None:
    """Passwords in URLs are not for everybody who looks over a shoulder."""
    if value is None or "@" not in value:
        return value
    try:
        password = urlsplit(value).password
    except ValueError:
        return value
    return value.replace(f":{password}@", ":***@") if password else value


def table(environ: Mapping[str, str] = os.environ) -> str:
    """Plain text, an indented meaning below each variable."""
    lines = []
    for row in rows(environ):
        line = f"{row['variable']}  (default: {row['default'] or 'empty'})"
        if row["current"] is not None:
            line += f"  now: {row['current'] or 'empty'}"
        meaning = textwrap.wrap(
            str(row["meaning"]),
            WIDTH,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
        )
        lines += [line, *meaning]
    return "\n".join(lines)
