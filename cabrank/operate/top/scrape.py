"""Asks processes for their metrics: which ones, and all at once.

Who does not answer is left out: `top` is for when things die.
"""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx

from cabrank.errors import UsageError
from cabrank.operate.top.figures import Target
from cabrank.operate.top.sample import Sample, parse
from cabrank.stack.datadir import DEFAULT, DataDir

ANSWER_S = 2.0
"""One that takes longer hangs, and is shown so."""

SEVERAL = 2

Find = Callable[[], list[Target]]


def by_urls(urls: list[str]) -> Find:
    """Processes named one by one: `http://HOST:PORT/metrics`, the path may be left out.
    A name that has several addresses, as that of a scaled service has, stands for a
    process at each; looked up anew each time.

    Raises:
        UsageError: one is no such URL.
    """
    asked = []
    for url in urls:
        wrong = f"{url!r} is no URL of metrics, such as http://host:9000."
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
            is_web = parts.scheme in ("http", "https") and parts.port != 0
        except ValueError:
            raise UsageError(wrong) from None
        if not is_web or not parts.hostname:
            raise UsageError(wrong)
        path = parts.path.rstrip("/") or "/metrics"
        asked.append(parts._replace(path=path, query="", fragment=""))
    return lambda: [one for url in asked for one in behind(url, _addresses(url))]


def behind(url: SplitResult, addresses: list[str]) -> list[Target]:
    """A process at each of a name's addresses, if there are several. By TLS it is asked
    for by the name in its certificate.
    """
    if url.scheme == "https" or len(addresses) < SEVERAL:
        return [Target(url.netloc, "", url.geturl())]
    port = f":{url.port}" if url.port else ""
    return [
        Target(f"{url.hostname} {one}", "", url._replace(netloc=one + port).geturl())
        for one in addresses
    ]


def _addresses(url: SplitResult) -> list[str]:
    """IPv4, since a host of both kinds is one process all the same; none: unknown."""
    try:
        told = socket.getaddrinfo(url.hostname, None, socket.AF_INET)
    except OSError:
        return []
    return sorted({str(where[0]) for *_, where in told})


def by_data_dir(data_dir: Path | None) -> Find:
    """Those of a `cabrank up`, as it notes them: read anew each time, since a process
    that was restarted may have moved.

    Raises:
        UsageError: nothing was ever started there.
    """
    directory = DataDir(data_dir or DEFAULT)
    if not directory.exists():
        raise UsageError(
            f"Nothing was started in {directory.root} yet: run `cabrank up` on it "
            "first, name another with --data-dir, or processes with --metrics or "
            "CABRANK_METRICS_URLS."
        )
    return lambda: _noted(directory)


def _noted(directory: DataDir) -> list[Target]:
    found = []
    for path in sorted(directory.run.glob("*.json")):
        try:
            (group,) = json.loads(path.read_text())
            address = f"http://{group['targets'][0]}/metrics"
            found.append(Target(path.stem, group["labels"]["job"], address))
        except (OSError, ValueError, LookupError, TypeError):
            continue  # it is being replaced, or was this moment
    return found


async def scrape(client: httpx.AsyncClient, targets: list[Target]) -> dict[str, Sample]:
    """By address; who did not answer is missing."""
    got = await asyncio.gather(*(_one(client, target.address) for target in targets))
    return {
        target.address: sample
        for target, sample in zip(targets, got, strict=True)
        if sample is not None
    }


async def _one(client: httpx.AsyncClient, address: str) -> Sample | None:
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await client.get(address)
        if answer.status_code != httpx.codes.OK:
            return None
        return parse(answer.text, time.monotonic())
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError):
        return None
