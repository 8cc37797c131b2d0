"""CPU of drivers' positions and of pings at a gateway, without sockets and NATS.

    python -m tests.bench.gateway_positions --before TREE

A whole `Gateway` with the connections of `DRIVERS`, who take turns, so that whoever is
next has left the CPU's caches as in life. Positions come two a turn of the loop, and
are sent on every `A_TICK`; each driver is pinged, and answers. Trees take turns in
processes of their own; the least CPU time of each part counts.
"""

import asyncio
import gc
import json
import sys
import time
from typing import Any

import uvloop

from tests.bench.gateway_commands import Socket, System, masked

DRIVERS = 19_000
REPEATS = 4
A_TURN = 2
A_TICK = 312
POSITION = '"lat":40.712%03d,"lon":-73.98%03d,"heading":90,"speed":8'
PONG = b"\x8a\x80\x01\x02\x03\x04"
PARTS = ("read", "sent", "pinged", "answered")


class Fleet(System):
    def __init__(self) -> None:
        super().__init__()
        for other in self.people.values():
            self.gateway.sockets.wheel.cancel(other)
        self.drivers = [self.enter(f"driver-{n:029}") for n in range(DRIVERS)]
        self._tick()
        self.nats.taken()
        self.now_s = time.monotonic()

    def enter(self, name: str) -> Any:
        from websockets.protocol import OPEN  # noqa: PLC0415

        from gateway.sockets.handshake import Accepted  # noqa: PLC0415
        from gateway.sockets.websocket import Connection  # noqa: PLC0415
        from schemas.claims import Claims  # noqa: PLC0415
        from schemas.trips import Role  # noqa: PLC0415

        gateway = self.gateway
        made = Connection(gateway.sockets, gateway.door, gateway.services)
        made.connection_made(Socket())  # type: ignore[arg-type]
        made._ws.expect_frames()
        made._ws.state = OPEN
        now_s = time.time()
        claims = Claims(
            name, name, name, name, Role.DRIVER, "main", name, now_s, now_s + 90_000
        )
        made._intake.opened()
        made._begin(Accepted(Role.DRIVER, claims, None, None))
        made.runner._welcome_s = float("inf")
        return made

    def _bring(self, driver: Any, frame: bytes) -> None:
        self.gateway.sockets.read_buffer[: len(frame)] = frame
        driver.buffer_updated(len(frame))

    def moves(self, number: int) -> None:
        gateway, process_time = self.gateway, time.process_time
        for first in range(0, DRIVERS, A_TICK):
            drivers = self.drivers[first : first + A_TICK]
            data = [POSITION % (n % 1000, number) for n in range(len(drivers))]
            frames = [
                masked(f'{{"type":"driver.location","data":{{{one}}}}}') for one in data
            ]
            started = process_time()
            for at in range(0, len(drivers), A_TURN):
                for n in range(at, min(at + A_TURN, len(drivers))):
                    self._bring(drivers[n], frames[n])
                gateway.sockets.turns.turn()
            read = process_time()
            gateway._positions.flush()
            self.bus.write_now()
            self.cpu["sent"] += process_time() - read
            self.cpu["read"] += read - started
            assert self.nats.taken().count(b'"heading":90') == len(drivers)

    def pings(self) -> None:
        gateway, process_time = self.gateway, time.process_time
        started = process_time()
        self.now_s += 25.5
        gateway.now = gateway.sockets.now = self.clock
        gateway.sockets.wheel.turn(self.now_s)
        gateway.sockets.flush()
        pinged = process_time()
        for driver in self.drivers:
            self._bring(driver, PONG)
            gateway.sockets.turns.turn()
        self.now_s += 11
        gateway.sockets.wheel.turn(self.now_s)
        self.cpu["answered"] += process_time() - pinged
        self.cpu["pinged"] += pinged - started
        for driver in self.drivers:
            assert len(driver._transport.taken()) == 2

    def clock(self) -> Any:
        from gateway.clock import Now  # noqa: PLC0415 - the tree's own

        return Now(self.now_s, int(time.time() * 1000))


async def measure() -> dict[str, float]:
    """Least CPU-µs of one, of `REPEATS` tries, by part."""
    fleet = Fleet()
    least = dict.fromkeys(PARTS, float("inf"))
    gc.freeze()
    gc.disable()
    for number in range(REPEATS):
        fleet.cpu = dict.fromkeys(PARTS, 0.0)
        fleet.moves(number)
        fleet.pings()
        for part, seconds in fleet.cpu.items():
            least[part] = min(least[part], seconds / DRIVERS * 1e6)
        await asyncio.sleep(0)
    return least


def main() -> None:
    if "--here" in sys.argv:
        print(json.dumps(uvloop.run(measure())))
        return
    from tests.bench.turns import compared, least_of  # noqa: PLC0415 - not in all trees

    least = least_of(compared(__file__, __doc__, 3))
    for name, parts in least.items():
        print(f"{name:>7}: {', '.join(f'{p} {us:.2f}' for p, us in parts.items())} us")


if __name__ == "__main__":
    main()
