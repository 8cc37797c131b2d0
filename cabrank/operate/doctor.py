"""`cabrank doctor`: looks at what a running system depends on, and says what to do.

Changes nothing but for one empty memory stream that it makes and deletes again.
"""

import asyncio
import contextlib
import json
import os
import re
import resource
import time
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.js.api import StreamInfo

from cabrank.errors import CabrankError
from cabrank.operate import target
from cabrank.operate.permitted import ForbiddenError, permitted, seed_wanted
from cabrank.operate.target import Target
from cabrank.stack import embedded
from cabrank.stack.datadir import DEFAULT, DataDir, nats_names
from cabrank.stack.stack import REPLICAS_MAX
from persistence import indexing
from persistence.deliveries import condition
from persistence.deliveries.condition import Condition, Conditions
from runtime import bus, durability, environment, log, nats_trouble
from schemas import streams
from schemas.permissions import Service

NATS_MIN = (2, 12)
"""What the streams ask of the server (docs/decisions/ were measured on 2.15)."""
MONITOR_PORT = 8222  # nats-server's usual monitoring port
ANSWER_S = 2.0
OFFSET_WARN_S = 1.0
OFFSET_MAX_S = 30.0
"""A token's life is counted in wall-clock time on one machine, checked on another."""
FILES_MIN = 65_536
"""A gateway takes one file descriptor a connection."""
LEDGER_BYTES_MIN = 64 * 1024 * 1024
"""Two minutes, a lone leader's pause between snapshots, of 180 trips a second at some
3 KB each. Below what comes in so long, a ledger that fills must refuse until it has
room again.
"""
LATE_S = 300.0
"""A delivery that waits for so long has failed twice, or is held back by one that
has."""
AWAY_S = 30.0
"""A worker says each second that it reads on, and is believed for 6: the rest is what
clocks may be off."""
PROBE_STREAM = "CABRANK_DOCTOR"
DURABLE = "every acknowledged write is on disk (sync_interval: always)"


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
    by_settings = any(map(environment.is_set, ("nats_url", "database_url")))
    if data_dir is None and (by_settings or not DataDir(DEFAULT).exists()):
        return target.by_settings(environment.load())
    return target.find(data_dir)


async def examine(data_dir: Path | None, monitor_url: str | None) -> list[Finding]:
    """All findings, in the order in which they should be mended."""
    log.configure("doctor", "error")
    found = subject(data_dir)
    return [
        *await _nats(found, monitor_url),
        *await _database(found.database_url),
        *_keys(found),
        files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ]


# ---- NATS --------------------------------------------------------------------


async def _nats(found: Target, monitor_url: str | None) -> list[Finding]:
    where = ", ".join(_without_password(url) for url in found.nats_url.split(","))
    try:
        async with asyncio.timeout(3 * ANSWER_S):
            connection = await bus.connect(
                found.nats_url, "doctor", login=found.nats_login(), forever=False
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
        async with permitted(connection, Service.OPERATOR):
            findings += await _jetstream(connection)
            held = await _ledgers(connection)
            urls = monitor_url or environment.load().nats_monitoring_urls
            findings.append(await _durability(found, connection, held, urls))
            findings += [copies(held, _replicas(found)), room(held)]
    except ForbiddenError as error:
        findings.append(Finding(Level.FAIL, "permission", str(error)))
    except (TimeoutError, nats.errors.Error) as error:
        text = f"does not answer ({error!r}): look into the server's log"
        findings.append(Finding(Level.FAIL, "jetstream", text))
    finally:
        await connection.close()
    return findings


def unconnected(error: Exception, where: str) -> str:
    """What keeps us from the server at `where`, and what to do."""
    why = str(error) if isinstance(error, nats_trouble.ConnectError) else ""
    if not why or why.startswith(nats_trouble.UNREACHABLE):
        remedy = "start it, or set CABRANK_NATS_URL"
        return f"nobody answers at {where}: {remedy}"
    if why.startswith(nats_trouble.REFUSED):
        return f"{where}: {why}: {seed_wanted(Service.OPERATOR)}"
    return f"{where}: {why}: see CABRANK_NATS_TLS_CA"


def version(text: str, where: str) -> Finding:
    numbers = re.match(r"(\d+)\.(\d+)", text)
    least = ".".join(map(str, NATS_MIN))
    if numbers is None or tuple(map(int, numbers.groups())) < NATS_MIN:
        why = f"{where} runs {text or 'an unknown version'}: update it to {least}"
        return Finding(Level.FAIL, "nats", f"{why} or newer")
    return Finding(Level.OK, "nats", f"{text} at {where}")


async def _jetstream(connection: bus.Bus) -> list[Finding]:
    """Whether a stream can be made, and the server's clock, which the answer tells.

    Raises:
        TimeoutError, nats.errors.Error: no answer.
    """
    name = f"{PROBE_STREAM}_{os.getpid()}"
    config = {"name": name, "subjects": [f"doctor.{name}"], "storage": "memory"}
    asked = time.time()
    answer = await connection.request(
        f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode(), ANSWER_S
    )
    answered = time.time()
    await connection.request(f"$JS.API.STREAM.DELETE.{name}", b"", ANSWER_S)
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


async def _durability(
    found: Target, connection: bus.Bus, held: list[StreamInfo], monitor_urls: str
) -> Finding:
    """A client isn't told; the embedded servers' configuration is ours to read, any
    other server says it over its monitoring port.
    """
    if found.directory is not None and not monitor_urls:
        names = nats_names(found.directory.recall().nats_servers)
        confs = [found.directory.nats_conf(name) for name in names]
        try:
            lax = [c for c in confs if not embedded.is_durable(c.read_text())]
        except OSError as error:
            text = f"{error.filename} can't be read: {error.strerror}"
            return Finding(Level.FAIL, "durability", text)
        if lax:
            text = f"{lax[0]} has no sync_interval: always: restart `cabrank up`"
            return Finding(Level.FAIL, "durability", text)
        return Finding(Level.OK, "durability", DURABLE)
    ours = connection.server_name
    holders = set().union(*(durability.holders(one, ours) for one in held)) or {ours}
    urls = monitor_urls.split(",") if monitor_urls else _usual_monitors(found.nats_url)
    told = {}
    for url in urls:
        with contextlib.suppress(OSError, ValueError):
            server = await asyncio.to_thread(durability.ask, url)
            told[server.name] = server
    for name in sorted(holders & told.keys()):
        if not told[name].always:
            text = f"{told[name]}, so a power failure loses answered trips"
            return Finding(Level.FAIL, "durability", f"{text}: {durability.REMEDY}")
    if unknown := holders - told.keys():
        remedy = "name it with --nats-monitor or CABRANK_NATS_MONITORING_URLS"
        text = f"{durability.untold(unknown)} (sync_interval: always): {remedy}"
        return Finding(Level.WARN, "durability", text)
    return Finding(Level.OK, "durability", DURABLE)


def _usual_monitors(nats_urls: str) -> list[str]:
    hosts = (urlsplit(_with_scheme(url)).hostname for url in nats_urls.split(","))
    return [f"http://{host}:{MONITOR_PORT}" for host in hosts]


async def _ledgers(connection: bus.Bus) -> list[StreamInfo]:
    """The streams that hold what was answered."""
    js = connection.jetstream(timeout=ANSWER_S)
    infos: list[StreamInfo] = []
    while page := await js.streams_info(len(infos)):
        infos += page
    return [i for i in infos if streams.region_of_ledger(str(i.config.name))]


def _replicas(found: Target) -> int:
    if found.directory is None or environment.is_set("replicas"):
        return environment.load().replicas
    return min(found.directory.recall().nats_servers, REPLICAS_MAX)


def copies(ledgers: list[StreamInfo], wanted: int) -> Finding:
    """Whether each is kept as often as asked, and every copy is there."""
    for info in ledgers:
        name, kept = info.config.name, info.config.num_replicas or 1
        if kept < wanted:
            text = f"{name} is kept {kept} times, CABRANK_REPLICAS asks for {wanted}"
            remedy = "see that so many servers are in the cluster, restart dispatchers"
            return Finding(Level.FAIL, "copies", f"{text}: {remedy}")
        others = (info.cluster.replicas if info.cluster else None) or []
        for other in others:
            if other.offline or not other.current:
                state = "away" if other.offline else "behind"
                text = f"{name}: the copy of {other.name} is {state}: look into its log"
                return Finding(Level.WARN, "copies", text)
    text = f"{len(ledgers)} ledgers, each kept {wanted} times or more"
    return Finding(Level.OK, "copies", text)


def room(ledgers: list[StreamInfo]) -> Finding:
    """Whether each may grow as far as a leader needs."""
    for info in ledgers:
        limit = info.config.max_bytes or -1
        if 0 < limit < LEDGER_BYTES_MIN:
            text = (
                f"{info.config.name} may take {limit} bytes: allow {LEDGER_BYTES_MIN}"
            )
            remedy = "or more (docs/RUNBOOK.md, CabrankLedgerFills)"
            return Finding(Level.WARN, "room", f"{text} {remedy}")
    return Finding(Level.OK, "room", f"{len(ledgers)} ledgers, none kept too small")


def _with_scheme(url: str) -> str:
    return url if "//" in url else f"nats://{url}"


def _without_password(url: str) -> str:
    parts = urlsplit(_with_scheme(url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


# ---- the rest ----------------------------------------------------------------


async def _database(url: str) -> list[Finding]:
    """And what it knows of webhooks."""
    try:
        async with target.engine(url) as engine, engine.connect() as connection:
            missing = await connection.run_sync(indexing.missing)
            there = await connection.run_sync(condition.look)
    except CabrankError as error:
        return [Finding(Level.FAIL, "database", str(error).rstrip("."))]
    hooks = webhooks(there, time.time())
    if missing:
        text = f"without {', '.join(missing)}: run `cabrank migrate`"
        return [Finding(Level.WARN, "database", text), *hooks]
    kind = urlsplit(url).scheme.partition("+")[0]
    return [Finding(Level.OK, "database", f"{kind}, at the newest revision"), *hooks]


def webhooks(there: Conditions, now_s: float) -> list[Finding]:
    """Whether somebody delivers, and which endpoints are in trouble. `now_s`: seconds
    since 1970.
    """
    active = [hook for hook in there.hooks if hook.active]
    until_ms = there.read_until_ms
    findings = []
    if active and until_ms is not None and until_ms / 1000 < now_s - AWAY_S:
        text = f"nobody delivers to {len(active)} endpoints: start `cabrank webhooks`"
        findings.append(Finding(Level.FAIL, "webhooks", text))
    for hook in there.hooks:
        if (trouble := _trouble(hook, now_s)) is not None:
            host = urlsplit(hook.url).hostname  # a path may be a secret
            text = f"{hook.id} ({host}) {trouble} (docs/RUNBOOK.md, Webhooks)"
            findings.append(Finding(Level.WARN, "webhooks", text))
    waiting = sum(hook.waiting for hook in there.hooks)
    if not findings:
        text = f"{len(active)} endpoints are delivered to, {waiting} deliveries wait"
        findings.append(Finding(Level.OK, "webhooks", text))
    return findings


def _trouble(hook: Condition, now_s: float) -> str | None:
    if hook.ended is not None:
        return f"is ended: {hook.ended}"
    parts = []
    age_s = now_s - (hook.oldest_ms or 0) / 1000
    if hook.waiting and age_s > LATE_S:
        state = "" if hook.active else ", and it is switched off"
        why = f" ({hook.error})" if hook.error else ""
        parts.append(
            f"has {hook.waiting} deliveries waiting, the oldest of {_age(age_s)} ago"
            f"{why}{state}"
        )
    if hook.dead:
        parts.append(f"has {hook.dead} dead ones among the newest {condition.NEWEST}")
    return " and ".join(parts) or None


def _age(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004


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
    if found.signing_key.is_file() and found.signing_key.stat().st_mode & 0o007:
        text = f"others may read {found.signing_key}: chmod o= it"
        findings[0] = Finding(Level.WARN, "keys", text)
    return findings


def files(limit: int) -> Finding:
    if limit == resource.RLIM_INFINITY:
        return Finding(Level.OK, "files", "no limit of open files")
    if limit >= FILES_MIN:
        return Finding(Level.OK, "files", f"{limit} open files allowed")
    text = f"{limit} open files allowed, each connection takes one"
    return Finding(Level.WARN, "files", f"{text}: ulimit -n {FILES_MIN}")
