"""CPU of commands at the gateway: from a socket's bytes to what NATS is given, and from
NATS's bytes to what the socket is given.

    python -m tests.bench.gateway_commands --before TREE

A whole `Gateway` beside stand-ins of a socket, of NATS's connection and of the leader,
who answers at once. Request, accept, begin and complete of `TRIPS` trips, a frame a
tick, and between them messages that nobody does anything with, as many as a trip has.
Trees take turns in processes of their own; the least CPU time of each part counts.
"""

import asyncio
import gc
import json
import sys
import time
from typing import Any

import uvloop

TRIPS = 20
REPEATS = 100
MESSAGES = 6
"""Others of NATS a trip."""
MASK = b"\x01\x02\x03\x04"
TRIP = "019ac7a4-1111-7222-8333-444455556666"
OTHER = b"x" * 400
WHERE = '"pick_up_address":"14 Main Street","drop_off_address":"2 Station Road"'
FRAMES = {
    "rider": {"trip.request": WHERE},
    "driver": {
        f"trip.{move}": f'"id":"{TRIP}"' for move in ("accept", "begin", "complete")
    },
}
PARTS = ("in", "tick", "answers", "others")


class Socket:
    """Of a client, and of NATS's connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, _: str) -> Any:
        return None

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, *_: Any) -> None:
        pass

    def taken(self) -> bytes:
        taken, self.written = b"".join(self.written), []
        return taken


def masked(text: str) -> bytes:
    from websockets.frames import apply_mask  # type: ignore[attr-defined]  # noqa: PLC0415

    data = text.encode()
    head = bytes((0x81, 0x80 | len(data)))
    if len(data) > 125:
        head = b"\x81\xfe" + len(data).to_bytes(2, "big")
    return head + MASK + bytes(apply_mask(data, MASK))


class System:
    """A gateway with a rider and a driver."""

    def __init__(self) -> None:
        from nats.aio.client import Client  # noqa: PLC0415

        from gateway.bootstrap import Gateway  # noqa: PLC0415 - the tree's own
        from gateway.limits import Limits  # noqa: PLC0415
        from runtime.bus import Bus  # noqa: PLC0415
        from schemas.allowances import Rate, UserLimits  # noqa: PLC0415

        self.bus: Any = Bus()
        self.nats = Socket()
        self.bus._status = Client.CONNECTED
        self.bus._transport = self.nats
        self.bus._max_payload = 1024 * 1024
        high = Rate(1e6, 4_000_000)
        users = UserLimits(high, high, high, high, high)
        limits = Limits(frames_per_s=1e9, frames_burst=1e9, users=users)
        nobody: Any = Nobody()
        self.gateway: Any = Gateway(
            bus=self.bus,
            identity=nobody,
            asker=nobody,
            service=nobody,
            origins=[],
            limits=limits,
        )
        self.parse = self.bus._ps.parse
        other = self.bus.subscribe_raw("other", lambda *_: None)
        self.other = b"MSG other %d %d\r\n%b\r\n" % (other._id, len(OTHER), OTHER)
        [self.sid] = [
            sid
            for sid, one in self.bus._subs.items()
            if one._subject.startswith(f"reply.{self.gateway.id}.")
        ]
        self.cpu = dict.fromkeys(PARTS, 0.0)
        self.people = {name: self._enter(name) for name in FRAMES}

    def _enter(self, name: str) -> Any:
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
        names = (name, name, name, name)
        claims = Claims(*names, Role(name), "main", name, now_s, now_s + 9_000)
        made._intake.opened()
        made._begin(Accepted(Role(name), claims, None, None))
        for _ in range(3):  # what is asked because of an answer
            self._tick()
            self._answer()
        made._transport.taken()
        return made

    def _tick(self) -> None:
        gateway = self.gateway
        started = time.process_time()
        gateway._end_tick()
        gateway.sockets.turns.turn()
        self.cpu["tick"] += time.process_time() - started

    def _answer(self) -> None:
        """As the leader does, to all that it was asked."""
        from schemas import codec  # noqa: PLC0415
        from schemas.commands import Answer, Answers, SyncData  # noqa: PLC0415

        raw = codec.Raw
        sync = SyncData(1, 1, raw(b"[]"), raw(b"[]"), False, [], False)
        trip = raw(b'{"id":"%b","note":"%b"}' % (TRIP.encode(), b"x" * 350))
        answers, reply = [], b""
        for line in self.nats.taken().split(b"\r\n"):
            if line.startswith(b"PUB cmd."):
                reply = line.split()[2]
            elif line.startswith(b"[{"):
                for command in json.loads(line):
                    kind = command["do"]
                    data = trip
                    if kind == "sync":
                        data = raw(codec.encode(sync))
                    elif kind == "feed":
                        data = raw(
                            b'{"n":1,"entries":[],"complete":true,"open_trips":[]}'
                        )
                    answers.append(Answer(command["id"], 1, data))
        if not answers:
            return
        payload = codec.encode(Answers(1, answers))
        head = b"MSG %b %d %d\r\n" % (reply, self.sid, len(payload))
        self.cpu["answers"] += self._parsed(head + payload + b"\r\n")

    def _parsed(self, data: bytes) -> float:
        parsing = self.parse(data)
        started = time.process_time()
        try:
            parsing.send(None)
        except StopIteration:
            return time.process_time() - started
        raise AssertionError

    def say(self, name: str, frame: bytes) -> None:
        person = self.people[name]
        buffer = self.gateway.sockets.read_buffer
        buffer[: len(frame)] = frame
        started = time.process_time()
        person.buffer_updated(len(frame))
        self.cpu["in"] += time.process_time() - started
        self._tick()
        self._answer()
        self._tick()
        assert b'"reply"' in person._transport.taken()


class Nobody:
    def __getattr__(self, _: str) -> Any:
        return None


async def measure() -> dict[str, float]:
    """Least CPU-µs a trip of `REPEATS` tries, by part."""
    system = System()
    least = dict.fromkeys(PARTS, float("inf"))
    ref = 0
    gc.disable()
    for _ in range(REPEATS):
        system.cpu = dict.fromkeys(PARTS, 0.0)
        for _ in range(TRIPS):
            for name, frames in FRAMES.items():
                for kind, data in frames.items():
                    ref += 1
                    head = f'"type":"{kind}","ref":"{ref}"'
                    system.say(name, masked(f'{{{head},"data":{{{data}}}}}'))
            for _ in range(MESSAGES):
                system.cpu["others"] += system._parsed(system.other)
        for part, seconds in system.cpu.items():
            least[part] = min(least[part], seconds / TRIPS * 1e6)
        await asyncio.sleep(0)
    return least


def main() -> None:
    if "--here" in sys.argv:
        print(json.dumps(uvloop.run(measure())))
        return
    from tests.bench.turns import compared, least_of  # noqa: PLC0415 - not in all trees

    least = least_of(compared(__file__, __doc__, 5))
    for name, parts in least.items():
        told = ", ".join(f"{part} {us:.1f}" for part, us in parts.items())
        print(f"{name:>7}: {sum(parts.values()):.1f} CPU-µs a trip at least: {told}")
    if "before" in least:
        all_of = {name: sum(parts.values()) for name, parts in least.items()}
        print(f"ratio: {all_of['now'] / all_of['before']:.3f}")


if __name__ == "__main__":
    main()
