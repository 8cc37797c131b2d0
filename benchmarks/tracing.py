"""What tracing costs: `cabrank bench lifecycle` with it off, on at 1 %, and on for
every command, in turns; `--before TREE` adds another checkout of this repository.

    python benchmarks/tracing.py --rounds 5

The collector is a thread here that reads spans and drops them, as one elsewhere would.
Ratios of CPU per trip count: a busy machine moves trips a second, and these hardly.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SERVICES = ("gateway", "dispatcher", "persistence")
HERE = Path(__file__).parents[1]


class Sink(BaseHTTPRequestHandler):
    requests = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Sink.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def once(tree: Path, settings: dict[str, str], seconds: float) -> dict[str, float]:
    """One run in a system of its own: trips/s, p99 and CPU-ms a trip."""
    with tempfile.TemporaryDirectory(prefix="cabrank-tracing-") as folder:
        done = subprocess.run(  # noqa: S603 - our own module
            [
                *(sys.executable, "-P", "-m", "cabrank", "bench", "lifecycle"),
                *("--pairs", "64", "--duration", str(seconds), "--warm-up", "2"),
                *("--runs", "1", "--json", "--data-dir", f"{folder}/data"),
            ],
            env={**os.environ, **settings, "PYTHONPATH": str(tree)},
            cwd=folder,
            stdout=subprocess.PIPE,
            check=True,
        )
    (run,) = found(json.loads(done.stdout), "runs")
    cpu = run["cpu_ms"]
    return {
        "trips/s": run["trips_per_s"],
        "p99 ms": max(run["p99_ms"].values()),
        "CPU-ms/trip": sum(cpu.get(service, 0) for service in SERVICES),
        **{f"{service}": cpu.get(service, 0) for service in SERVICES},
    }


def found(tree: Any, key: str) -> Any:
    """The first value of that key, however deep."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            inner = found(part, key)
            if inner is not None:
                return inner
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--before", type=Path, help="another checkout")
    given = parser.parse_args()
    sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{sink.server_address[1]}"
    variants: dict[str, tuple[Path, dict[str, str]]] = {
        "off": (HERE, {}),
        "1 %": (HERE, {"CABRANK_OTEL_ENDPOINT": endpoint}),
        "100 %": (HERE, {"CABRANK_OTEL_ENDPOINT": endpoint, "CABRANK_OTEL_RATIO": "1"}),
    }
    if given.before is not None:
        variants = {"before": (given.before, {}), **variants}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for number in range(given.rounds):
        order = list(variants) if number % 2 else list(reversed(variants))
        for name in order:
            seen[name].append(once(*variants[name], given.seconds))
            print(number, name, seen[name][-1], flush=True)
    base = next(iter(variants))
    print(f"\nmedian of {given.rounds}, and the ratio to {base!r} round by round")
    for name, runs in seen.items():
        for figure in runs[0]:
            ratios = sorted(
                mine[figure] / other[figure]
                for mine, other in zip(runs, seen[base], strict=True)
                if other[figure]
            )
            median = statistics.median(run[figure] for run in runs)
            spread = f"({ratios[0]:.3f} to {ratios[-1]:.3f})"
            ratio = f"{statistics.median(ratios):.3f} {spread}"
            print(f"{name:>7} {figure:<12} {median:9.3f} x {ratio}")


if __name__ == "__main__":
    main()
