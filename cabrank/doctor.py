"""`cabrank doctor`: looks at what a running system depends on, and says what to do.

Changes nothing but for one empty memory stream that it makes and deletes again.
"""

import asyncio
import json
import os
import re
import resource
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats.errors

from cabrank import embedded, target
from cabrank.datadir import DEFAULT, DataDir, nats_names
from cabrank.errors import CabrankError
from cabrank.target import Target
from runtime import bus, log, settings

NATS_MIN = (2, 12)
"""What the streams ask of the server (DESIGN.md was measured on 2.15)."""
MONITOR_PORT = 8222  # nats-server's usual monitoring port
ANSWER_S = 2.0
OFFSET_WARN_S = 1.0
OFFSET_MAX_S = 30.0
"""A token's life is counted in wall-clock time on one machine, checked on another."""
FILES_MIN = 65_536
"""A gateway takes one file descriptor a connection."""
PROBE_STREAM = "CABRANK_DOCTOR"


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    level: Level
    what: str
    text: str
    """What was found and, unless all is well, what to do."""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.what:<11} {self.text}"


def subject(data_dir: Path | None) -> Target:
    """What to look at: a data directory, or what the settings name."""
    by_settings = any(map(settings.is_set, ("nats_url", "database_url")))
    if data_dir is None and (by_settings or not DataDir(DEFAULT).exists()):
        return target.by_settings(settings.load())
    return target.find(data_dir)


async def examine(data_dir: Path | None, monitor_url: str | None) -> list[Finding]:
    """All findings, in the order in which they should be mended."""
    log.configure("doctor", "error")
    found = subject(data_dir)
    return [
        *await _nats(found, monitor_url),
        await _database(found.database_url),
        *_keys(found),
        files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ]


# ---- NATS --------------------------------------------------------------------


async def _nats(found: Target, monitor_url: str | None) -> list[Finding]:
    where = ", ".join(_without_password(url) for url in found.nats_url.split(","))
    try:
        async with asyncio.timeout(3 * ANSWER_S):
            connection = await bus.connect(
                found.nats_url, "doctor", login=found.nats_login, forever=False
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        return [Finding(Level.FAIL, "nats", unconnected(error, where))]
    try:
        info: dict[str, Any] = connection._server_info  # noqa: SLF001 — no public way
        findings = [version(str(info.get("version", "")), where)]
        if not info.get("jetstream"):
            remedy = "turn it on in its configuration (jetstream {})"
            text = f"the server runs without it: {remedy}"
            return [*findings, Finding(Level.FAIL, "jetstream", text)]
        findings += await _jetstream(connection)
        server = str(info.get("server_id"))
        findings.append(await _durability(found, server, monitor_url))
    finally:
        await connection.close()
    return findings


def unconnected(error: Exception, where: str) -> str:
    """What keeps us from the server at `where`, and what to do."""
    why = str(error) if isinstance(error, bus.ConnectError) else ""
    if not why or why.startswith(bus.UNREACHABLE):
        remedy = "start it, or set CABRANK_NATS_URL"
        return f"nobody answers at {where}: {remedy}"
    if why.startswith(bus.REFUSED):
        remedy = "set CABRANK_NATS_NKEY_SEED_FILE to the operator's seed"
        return f"{where}: {why}: {remedy}"
    return f"{where}: {why}: see CABRANK_NATS_TLS_CA"


def version(text: str, where: str) -> Finding:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    least = ".".join(map(str, NATS_MIN))
    if numbers is None or tuple(map(int, numbers.groups())) < NATS_MIN:
        why = f"{where} runs {text or 'an unknown version'}: update it to {least}"
        return Finding(Level.FAIL, "nats", f"{why} or newer")
    return Finding(Level.OK, "nats", f"{text} at {where}")


async def _jetstream(connection: bus.Bus) -> list[Finding]:
    """Whether a stream can be made, and the server's clock, which the answer tells."""
    name = f"{PROBE_STREAM}_{os.getpid()}"
    config = {"name": name, "subjects": [f"doctor.{name}"], "storage": "memory"}
    asked = time.time()
    try:
        answer = await connection.request(
            f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode(), ANSWER_S
        )
        answered = time.time()
        await connection.request(f"$JS.API.STREAM.DELETE.{name}", b"", ANSWER_S)
    except (TimeoutError, nats.errors.Error) as error:
        text = f"does not answer ({error!r}): look into the server's log"
        return [Finding(Level.FAIL, "jetstream", text)]
    said = json.loads(answer.data)
    if "error" in said:
        why = said["error"].get("description", "unknown")
        text = f"can't make a stream ({why}): check the account's limits"
        return [Finding(Level.FAIL, "jetstream", text)]
    findings = [Finding(Level.OK, "jetstream", "answers and makes streams")]
    if "ts" in said:
        there = datetime.fromisoformat(said["ts"])
        middle = (asked + answered) / 2
        findings.append(clock(middle - there.timestamp()))
    return findings


def clock(offset_s: float) -> Finding:
    """`offset_s`: this machine's wall clock minus the NATS server's."""
    text = f"{abs(offset_s):.3f} s {'ahead of' if offset_s > 0 else 'behind'} NATS's"
    if abs(offset_s) <= OFFSET_WARN_S:
        return Finding(Level.OK, "clock", text)
    level = Level.WARN if abs(offset_s) <= OFFSET_MAX_S else Level.FAIL
    return Finding(level, "clock", f"{text}: set both by NTP")


async def _durability(found: Target, server: str, monitor_url: str | None) -> Finding:
    """A client isn't told; the embedded server's configuration is ours to read, any
    other server says it over its monitoring port.
    """
    if found.directory is not None and monitor_url is None:
        names = nats_names(found.directory.recall().nats_servers)
        files = [found.directory.nats_conf(name) for name in names]
        try:
            always = all(embedded.is_durable(file.read_text()) for file in files)
        except OSError as error:
            text = f"{error.filename} can't be read: {error.strerror}"
            return Finding(Level.FAIL, "durability", text)
        return durability(always, "as the server's default is")
    if monitor_url is None:
        host = urlsplit(found.nats_url.split(",", maxsplit=1)[0]).hostname
        monitor_url = f"http://{host}:{MONITOR_PORT}"
    try:
        state = await asyncio.to_thread(_fetch, f"{monitor_url.rstrip('/')}/varz")
    except (OSError, ValueError, urllib.error.URLError):
        remedy = "see that it has sync_interval: always, or name --nats-monitor URL"
        text = f"unknown, {monitor_url} does not say: {remedy}"
        return Finding(Level.WARN, "durability", text)
    if state.get("server_id") != server:
        text = f"unknown, {monitor_url} is another server: name --nats-monitor URL"
        return Finding(Level.WARN, "durability", text)
    config = state.get("jetstream", {}).get("config", {})
    every_s = config.get("sync_interval", 0) / 1e9
    return durability(bool(config.get("sync_always")), f"every {every_s:.0f} s")


def durability(always: bool, otherwise: str) -> Finding:
    if always:
        text = "every acknowledged write is on disk (sync_interval: always)"
        return Finding(Level.OK, "durability", text)
    text = f"writes are synced {otherwise}, so a power failure loses answered trips"
    remedy = "set jetstream { sync_interval: always } and restart the server"
    return Finding(Level.FAIL, "durability", f"{text}: {remedy}")


def _fetch(url: str) -> dict[str, Any]:
    if urlsplit(url).scheme not in ("http", "https"):
        msg = f"{url!r} is neither http nor https"
        raise ValueError(msg)
    # Past any proxy of the environment: it does not know this machine's servers.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=ANSWER_S) as answer:
        said = json.load(answer)
    if not isinstance(said, dict):
        msg = f"{url!r} answers no JSON object"
        raise TypeError(msg)
    return said


def _without_password(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


# ---- the rest ----------------------------------------------------------------


async def _database(url: str) -> Finding:
    try:
        async with target.engine(url):
            pass
    except CabrankError as error:
        return Finding(Level.FAIL, "database", str(error).rstrip("."))
    kind = urlsplit(url).scheme.partition("+")[0]
    return Finding(Level.OK, "database", f"{kind}, at the newest revision")


def _keys(found: Target) -> list[Finding]:
    remedy = "`cabrank up` makes them; for others see CABRANK_SIGNING_KEY_FILE"
    findings = []
    for path in (found.signing_key, found.verify_keys):
        try:
            path.read_bytes()
        except OSError as error:
            text = f"{path} can't be read ({error.strerror}): {remedy}"
            findings.append(Finding(Level.FAIL, "keys", text))
        else:
            findings.append(Finding(Level.OK, "keys", str(path)))
    if found.signing_key.is_file() and found.signing_key.stat().st_mode & 0o077:
        text = f"others may read {found.signing_key}: chmod 600 it"
        findings[0] = Finding(Level.WARN, "keys", text)
    return findings


def files(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY:
        return Finding(Level.OK, "files", "no limit of open files")
    if limit >= FILES_MIN:
        return Finding(Level.OK, "files", f"{limit} open files allowed")
    text = f"{limit} open files allowed, each connection takes one"
    return Finding(Level.WARN, "files", f"{text}: ulimit -n {FILES_MIN}")
