"""A driver on shift: asks for offers, says where the car is, takes those whose pick-up
is near, and drives them to their end.

    CABRANK_TOKEN=… python drive.py --url https://cab.example --at 52.37,4.90

The token is the driver's. A car that drives itself would say where it is and be told
where to go; this one goes in a straight line. `--trips` ends the shift after so many.
Exit status: 0 the shift is over, 2 it could not begin.
"""

import argparse
import asyncio
import contextlib
import math
import os
import sys

from cabrank_client import CabrankError, Client, Position, Refused, Trip
from cabrank_client.shapes import Fix

M_PER_DEGREE = 111_195.0
STEP_S = 0.5


class Car:
    """At a place, and on its way to another."""

    def __init__(self, lat: float, lon: float, speed_kmh: float) -> None:
        self._lat = lat
        self._lon = lon
        self._speed_m_per_s = speed_kmh / 3.6
        self._heading: float | None = None

    def where(self) -> Fix:
        fix: Fix = {"lat": self._lat, "lon": self._lon}
        if self._heading is not None:
            fix["heading"] = self._heading
        return fix

    async def drive(self, to: Position, over: asyncio.Event) -> None:
        """Until it is there, or what it goes there for is over."""
        while not over.is_set() and self._step(to):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), STEP_S)
        self._heading = None

    def _step(self, to: Position) -> bool:
        """Whether there is a way yet."""
        narrow = math.cos(math.radians(self._lat))
        north = (to["lat"] - self._lat) * M_PER_DEGREE
        around = (to["lon"] - self._lon + 180) % 360 - 180
        east = around * M_PER_DEGREE * narrow
        far = math.hypot(north, east)
        part = min(1.0, self._speed_m_per_s * STEP_S / far) if far else 1.0
        self._heading = math.degrees(math.atan2(east, north)) % 360
        self._lat += part * (to["lat"] - self._lat)
        self._lon = (self._lon + part * around + 180) % 360 - 180
        return part < 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def watch(client: Client, trip: str, over: asyncio.Event) -> None:
    """Until the trip ends, or is somebody else's."""
    async for event in client.follow(trip):
        if event.type in {"trip.cancelled", "trip.released"}:
            break
    over.set()


async def ride(client: Client, car: Car, trip: Trip) -> None:
    """From accepted to the drop-off; each move may be refused, where it is over."""
    over = asyncio.Event()
    watching = asyncio.create_task(watch(client, trip["id"], over))
    try:
        if trip["pick_up"] is not None:
            await car.drive(trip["pick_up"], over)
        await client.arrive_trip(trip["id"])
        await client.begin_trip(trip["id"])
        if trip["drop_off"] is not None:
            await car.drive(trip["drop_off"], over)
        await client.complete_trip(trip["id"])
        say(f"{trip['id']} is done")
    except Refused as error:
        say(f"{trip['id']} is over: {error}")
    finally:
        watching.cancel()


async def shift(wanted: argparse.Namespace, token: str) -> None:
    lat, lon = map(float, wanted.at.split(","))
    car = Car(lat, lon, wanted.speed)
    left = wanted.trips
    async with (
        Client(wanted.url, token=token) as client,
        client.drive(car.where, every_s=wanted.every) as offers,
    ):
        say("on shift")
        async for offer in offers:
            if offer["pick_up_eta_s"] > wanted.eta_max:
                await offers.decline(offer, "too far")
                continue
            try:
                trip = await offers.accept(offer)
            except Refused as error:  # it was too late, or its rider has gone
                say(f"{offer['trip']['id']}: {error}")
                continue
            await ride(client, car, trip)
            left -= 1
            if not left:
                return


def main() -> int:
    made = argparse.ArgumentParser(description="A driver on shift.")
    made.add_argument("--url", required=True)
    made.add_argument("--at", required=True, help="LAT,LON of the car")
    made.add_argument("--speed", type=float, default=25, help="km/h")
    made.add_argument("--every", type=float, default=4, help="seconds, to say where")
    made.add_argument("--eta-max", type=float, default=600, help="seconds; else no")
    made.add_argument("--trips", type=int, default=0, help="then it ends; 0: never")
    wanted = made.parse_args()
    token = os.environ.get("CABRANK_TOKEN")
    if not token:
        sys.stderr.write("CABRANK_TOKEN must be the driver's token.\n")
        return 2
    try:
        asyncio.run(shift(wanted, token))
    except (CabrankError, ValueError) as error:
        sys.stderr.write(f"The shift ended: {error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
