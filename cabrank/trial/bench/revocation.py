"""How long after a revocation's request a user's sessions at two gateways are closed,
alone and beside `cabrank bench lifecycle`'s trips.

    python -m cabrank.trial.bench.revocation --users 200
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cabrank.trial.bench import system
from cabrank.trial.load.figures import percentile
from cabrank.trial.load.link import connect
from cabrank.trial.load.users import Account, from_data_dir
from cabrank.trial.load.web import Web
from schemas.closes import Close
from schemas.trips import Role

NO_CONTENT = 204
LIMIT_S = 30


async def one(bases: list[str], web: Web, operator: str, user: Account) -> float:
    """Seconds from the request until the last of the user's sessions was closed."""
    closed: asyncio.Queue[int] = asyncio.Queue()
    welcomed: asyncio.Queue[bytes] = asyncio.Queue()
    for base in bases:
        await connect(base, user.access, None, welcomed.put_nowait, closed.put_nowait)
    for _ in bases:
        await asyncio.wait_for(welcomed.get(), LIMIT_S)
    asked_s = time.perf_counter()
    path = f"/api/users/{user.user.id}/revoke"
    answering = asyncio.create_task(web.ask("POST", path, token=operator))
    codes = [await asyncio.wait_for(closed.get(), LIMIT_S) for _ in bases]
    took_s = time.perf_counter() - asked_s
    assert set(codes) == {Close.SESSION_REVOKED}, codes
    assert (await answering).status == NO_CONTENT
    return took_s


async def measure(bases: list[str], data_dir: Path, users: int) -> list[float]:
    (operator,) = await from_data_dir(data_dir, Role.OPERATOR, 1)
    riders = await from_data_dir(data_dir, Role.RIDER, users)
    web = Web(bases[0])
    took = [await one(bases, web, operator.access, rider) for rider in riders]
    web.close()
    return took


def show(when: str, took: list[float]) -> None:
    figures = {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
    shown = ", ".join(
        f"{name} {1000 * value:.1f} ms"
        for name, value in (figures | {"max": max(took)}).items()
        if value is not None
    )
    print(f"{when}: {len(took)} revocations, both sessions closed after {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cabrank-revocation-") as folder:
        data_dir = Path(folder) / "data"
        with system.running(data_dir, None, "--gateways", "2") as base:
            host, _, port = base.rpartition(":")
            bases = [base, f"{host}:{int(port) + 1}"]
            show("alone", asyncio.run(measure(bases, data_dir, given.users)))
            with subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-m", "cabrank", "bench", "lifecycle"),
                    *("--url", base, "--data-dir", str(data_dir), "--pairs", "64"),
                    *("--duration", "60", "--runs", "1"),
                ],
                stdout=subprocess.DEVNULL,
            ) as load:
                time.sleep(5)  # its users and its warm-up
                show("beside trips", asyncio.run(measure(bases, data_dir, given.users)))
                assert load.poll() is None, "the load was over too early"
                load.terminate()


if __name__ == "__main__":
    main()
