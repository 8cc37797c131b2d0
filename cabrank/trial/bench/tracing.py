"""What tracing costs: systems with it off, off once more, on at 1 % and on for every
command stand beside each other, and `cabrank bench lifecycle` loads them in turns.

    python -m cabrank.trial.bench.tracing --starts 5 --turns 4

The collector is a thread here that reads spans and drops them, as one elsewhere would.
Ratios of CPU per trip count, each of two windows some seconds apart, so that a machine
whose speed drifts moves both. What "off again" differs from "off" is what nothing at
all differs: two starts of the same code.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cabrank.trial.bench import system

SERVICES = ("gateway", "dispatcher", "persistence")


class Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def variants(endpoint: str) -> dict[str, dict[str, str]]:
    on = {"CABRANK_OTEL_ENDPOINT": endpoint}
    return {
        "off": {},
        "off again": {},
        "1 %": {**on, "CABRANK_OTEL_RATIO": "0.01"},
        "100 %": {**on, "CABRANK_OTEL_RATIO": "1"},
    }


@contextlib.contextmanager
def running(folder: Path, settings: dict[str, str]) -> Iterator[str]:
    """The base URL of a system in `folder`, started with these settings."""
    os.environ.update(settings)
    with system.running(folder, None) as url:
        for name in settings:
            del os.environ[name]
        yield url


def window(url: str, folder: Path, seconds: float) -> dict[str, float]:
    """CPU-ms a trip of each service and together, and trips/s, of one window."""
    done = subprocess.run(  # noqa: S603 - our own module
        [
            *(sys.executable, "-m", "cabrank", "bench", "lifecycle", "--url", url),
            *("--data-dir", str(folder), "--pairs", "64", "--runs", "1", "--json"),
            *("--duration", str(seconds), "--warm-up", "1"),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    (outcome,) = json.loads(done.stdout)
    (run,) = outcome["runs"]
    cpu = {service: run["cpu_ms"].get(service, 0.0) for service in SERVICES}
    return {"CPU-ms/trip": sum(cpu.values()), **cpu, "trips/s": run["trips_per_s"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="of all systems")
    parser.add_argument("--turns", type=int, default=4, help="after each start")
    parser.add_argument("--seconds", type=float, default=5, help="of a turn")
    given = parser.parse_args()
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    chosen = variants(f"http://127.0.0.1:{sink.server_address[1]}")
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    for _ in range(given.starts):
        with contextlib.ExitStack() as stack:
            base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folders = {name: base / str(n) for n, name in enumerate(chosen)}
            urls = {
                name: stack.enter_context(running(folders[name], settings))
                for name, settings in chosen.items()
            }
            for turn in range(given.turns):
                for name in list(chosen) if turn % 2 else list(reversed(chosen)):
                    run = window(urls[name], folders[name], given.seconds)
                    seen[name].append(run)
                    shown = {key: round(value, 3) for key, value in run.items()}
                    print(f"{name:>9}", shown, flush=True)
    show(seen)


def show(seen: dict[str, list[dict[str, float]]]) -> None:
    """Medians, and the ratio to "off" turn by turn with its middle half."""
    turns = len(seen["off"])
    print(f"\nmedian of {turns} turns; ratio to 'off' turn by turn (middle half)")
    for name, runs in seen.items():
        for figure in runs[0]:
            ratios = [
                mine[figure] / other[figure]
                for mine, other in zip(runs, seen["off"], strict=True)
                if other[figure]
            ]
            low, middle, high = (
                statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            )
            median = statistics.median(run[figure] for run in runs)
            spread = f"{middle:.3f} ({low:.3f} to {high:.3f})"
            print(f"{name:>9} {figure:<12} {median:9.3f} x {spread}")


if __name__ == "__main__":
    main()
