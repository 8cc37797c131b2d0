"""Settings as they are given: environment variables `CABRANK_*`, read at start.

Any of them may come from a file instead, so that secrets stay out of the environment:
`CABRANK_DATABASE_URL_FILE` names a file that holds what `CABRANK_DATABASE_URL` would.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from runtime import contradictions
from runtime.settings import PREFIX, Settings, SettingsError, variable

FILE = "_FILE"
ELSEWHERE = frozenset(
    PREFIX + name
    for name in (
        # The command line's token, and what ties a child to its parent (cabrank/).
        *("TOKEN", "TOKEN_FILE", "TETHER", "DOCTOR"),
        # compose.yaml's and the image's; a test holds these against them.
        *("IMAGE", "PYTHON_IMAGE", "NATS_IMAGE", "POSTGRES_IMAGE", "HAPROXY_IMAGE"),
        *("OTEL_IMAGE", "PROMETHEUS_IMAGE", "GRAFANA_IMAGE", "HTTP_PORT", "HTTPS_PORT"),
        *("PROMETHEUS_PORT", "GRAFANA_PORT", "PROMETHEUS_URL", "TRACES_ENDPOINT"),
        *("SECRETS", "FILES", "UID", "DATABASE_INSIDE", "CONTAINERS"),
    )
)
"""Variables of ours that are no settings."""
SECRET_BYTES_MAX = 64 * 1024
"""Far above any key or URL; who names a device or a log by mistake is told so."""


def read(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The text of a variable, or of the file that `<name>_FILE` names, without the
    line end at its end; None: neither is set. What names a file anyway is only ever
    read as such: there is no `CABRANK_SIGNING_KEY_FILE_FILE`.

    Raises:
        SettingsError: both are set, or the file can't be read.
    """
    environ = os.environ if environ is None else environ
    text = environ.get(name)
    path = None if name.endswith(FILE) else environ.get(name + FILE)
    if path is None:
        return text
    if text is not None:
        raise SettingsError(f"{name} and {name}{FILE} are both set; unset one of them.")
    try:
        with Path(path).open("rb") as file:
            held = file.read(SECRET_BYTES_MAX + 1)
        if len(held) > SECRET_BYTES_MAX:
            limit = f"over {SECRET_BYTES_MAX} bytes"
            raise SettingsError(f"{name}{FILE} is {path!r}: {limit}.")
        return held.decode().rstrip("\r\n")
    except OSError as error:
        why = error.strerror or str(error)
    except ValueError as error:  # a zero byte in the path, or no UTF-8 in the file
        why = "not UTF-8 text" if isinstance(error, UnicodeError) else str(error)
    raise SettingsError(f"{name}{FILE} is {path!r}: {why}.")


def unheard_of(environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence on each `CABRANK_*` that means nothing, with the name that is nearest
    to it. They are let pass, since other versions may share the environment.
    """
    environ = os.environ if environ is None else environ
    own = [variable(field) for field in Settings.__struct_fields__]
    known = {*own, *(name + FILE for name in own if not name.endswith(FILE))}
    said = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known | ELSEWHERE:
            continue
        # Without what all begin with, which would make everything alike.
        names = [one.removeprefix(PREFIX) for one in sorted(known)]
        near = difflib.get_close_matches(name.removeprefix(PREFIX), names, 1, cutoff=0)
        said.append(
            f"{name} is no setting and means nothing; the nearest is {PREFIX}{near[0]}."
        )
    return said


def is_set(field: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the operator says it, in the environment or by a file."""
    environ = os.environ if environ is None else environ
    name = variable(field)
    return name in environ or (not name.endswith(FILE) and name + FILE in environ)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (None: the process's own environment).

    Raises:
        SettingsError: a value that doesn't fit, or two that contradict each other;
            `CABRANK_*` names that are no setting are let pass, since other versions may
            share the environment.
    """
    environ = os.environ if environ is None else environ
    hints = get_type_hints(Settings, include_extras=True)
    values = {}
    for field in Settings.__struct_fields__:
        name = variable(field)
        text = read(name, environ)
        if text is None:
            continue
        try:
            values[field] = msgspec.convert(text, hints[field], strict=False)
        except msgspec.ValidationError as error:
            why = _choices(hints[field]) or str(error).replace("`", "")
            shown = repr(text) if name in environ else f"what {name}{FILE} holds"
            raise SettingsError(f"{name} is {shown}: {why}.") from None
    settings = Settings(**values)
    wrong = contradictions.first(settings)
    if wrong is not None:
        field, why = wrong
        raise SettingsError(f"{variable(field)} {why}.")
    settings.proxies()
    return settings


def _choices(hint: Any) -> str:
    """Of a setting that is one of a few; empty: of any other."""
    kind = get_args(hint)[0]
    names = get_args(kind) if get_origin(kind) is Literal else ()
    return f"it can be {', '.join(map(str, names))}" if names else ""
