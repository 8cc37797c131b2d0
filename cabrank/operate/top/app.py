"""Runs `cabrank top`: scrape, compute, draw, until q, Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import io
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.live import Live

from cabrank.errors import UsageError
from cabrank.operate.top.figures import Frame, compute
from cabrank.operate.top.sample import Sample
from cabrank.operate.top.scrape import Find, by_data_dir, by_urls, scrape
from cabrank.operate.top.view import render
from runtime import environment
from runtime.lists import listed
from schemas.codec import encode

ENDS = frozenset({b"q", b"Q", b"\x03", b"\x04"})
SVG_COLUMNS = 100


def run(
    data_dir: Path | None,
    urls: list[str],
    *,
    interval_s: float,
    once: bool,
    as_json: bool,
    svg: Path | None,
) -> int:
    """Show it.

    Returns:
        0; with `once`, 1 where no process answered.

    Raises:
        UsageError: nothing to look at.
    """
    if urls and data_dir is not None:
        raise UsageError("Name either --metrics or --data-dir, not both.")
    if data_dir is None and not urls:
        urls = listed(environment.load().metrics_urls)
    find = by_urls(urls) if urls else by_data_dir(data_dir)
    console = Console()
    is_single = once or svg is not None or not (as_json or console.is_terminal)
    with contextlib.suppress(KeyboardInterrupt):
        if is_single:
            frame = asyncio.run(_one(find, interval_s))
            _print(frame, console, as_json=as_json, svg=svg)
            return int(not any(process.is_up for process in frame.processes))
        asyncio.run(_live(find, interval_s, console, as_json=as_json))
    return 0


async def _one(find: Find, interval_s: float) -> Frame:
    """A frame with rates, after an interval."""
    async with contextlib.aclosing(_frames(find, interval_s, asyncio.Event())) as all_:
        await anext(all_)
        return await anext(all_)


async def _live(
    find: Find, interval_s: float, console: Console, *, as_json: bool
) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    frames = _frames(find, interval_s, ended)
    if as_json:
        async for frame in frames:
            print(encode(frame).decode(), flush=True)
        return
    with _keys(ended), Live(console=console, screen=True, auto_refresh=False) as live:
        async for frame in frames:
            live.update(render(frame, help_line=True), refresh=True)


async def _frames(
    find: Find, interval_s: float, ended: asyncio.Event
) -> AsyncGenerator[Frame, None]:
    """A frame each interval; the first has no rates yet."""
    before: dict[str, Sample] = {}
    async with httpx.AsyncClient(trust_env=False) as client:
        while not ended.is_set():
            targets = await asyncio.to_thread(find)
            now = await scrape(client, targets)
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield compute(at, targets, now, before)
            before = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), interval_s)


def _print(frame: Frame, console: Console, *, as_json: bool, svg: Path | None) -> None:
    if svg is not None:
        drawing = Console(record=True, width=SVG_COLUMNS, file=io.StringIO())
        drawing.print(render(frame))
        drawing.save_svg(str(svg), title="cabrank top")
    elif as_json:
        print(encode(frame).decode(), flush=True)
    else:
        console.print(render(frame))


@contextlib.contextmanager
def _keys(ended: asyncio.Event) -> Iterator[None]:
    """Let a key end it, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)

    def pressed() -> None:
        if os.read(keyboard, 1) in ENDS | {b""}:
            ended.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, pressed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
