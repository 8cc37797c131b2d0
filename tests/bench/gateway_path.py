"""CPU of what a gateway hands on: a leader's messages in, bytes for sockets out.

    python -m tests.bench.gateway_path --before TREE [--part lifecycle|alone|bursts]

Router, link and writers as in a gateway, without NATS and sockets, so what a write
costs the kernel is left out, and writes are counted. Messages are made once, by this
tree's engine and publisher, and replayed through the code of both trees, which take
turns in processes of their own; the least CPU time of each counts.
"""

import argparse
import gc
import itertools
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

REPLIES = b"reply.g.main"
NOW_MS = 1_795_255_200_000
RECORD_MS = 1.1
REPEATS = 7
LIFE = ("request", "accept", "begin", "complete")
ADDRESSES = {"pick_up_address": "14 Main Street", "drop_off_address": "2 Station Road"}


class Part(NamedTuple):
    """`commands`: of a record. Those of `group` records are sent at once, `lead`
    records before theirs. `warm_up`: records before it counts.
    """

    drivers: int
    riders: int
    moves: tuple[str, ...]
    commands: int
    group: int
    lead: int
    warm_up: int
    records: int
    unit: str


SHORT = ("request", "cancel")
PARTS = {
    "lifecycle": Part(64, 64, LIFE, 6, 1, 8, 400, 500, "trip"),
    "alone": Part(1000, 20, SHORT, 1, 1, 0, 4, 40, "thousand deliveries"),
    "bursts": Part(1000, 20, SHORT, 5, 4, 0, 8, 40, "thousand deliveries"),
}


Step = tuple[list[tuple[str, str]], list[tuple[str, str]]]
"""Of a record: users and their commands, subjects and messages."""


def traffic(part: Part) -> list[Step]:
    from dispatcher.commit.publisher import Publisher  # noqa: PLC0415 - the tree's own
    from dispatcher.engine.batch import Batcher  # noqa: PLC0415
    from dispatcher.engine.engine import Engine, Limits  # noqa: PLC0415
    from dispatcher.region.inbox import read  # noqa: PLC0415
    from schemas import codec, commands  # noqa: PLC0415
    from schemas.allowances import Rate, UserLimits  # noqa: PLC0415
    from schemas.ledger import Writer  # noqa: PLC0415

    makes = {
        "request": commands.RequestTrip,
        "accept": commands.AcceptTrip,
        "begin": commands.BeginTrip,
        "complete": commands.CompleteTrip,
        "cancel": commands.CancelTrip,
    }
    sent: list[tuple[str, str]] = []

    class Bus:
        def send(self, subject: str, payload: bytes) -> bool:
            if not subject.startswith("trip."):
                sent.append((subject, payload.decode()))
            return True

    bus: Any = Bus()
    publisher = Publisher(bus, "main")
    high = Rate(1e6, 4_000_000)
    users = UserLimits(high, high, high, high, high)
    engine = Engine("main", Limits(request_ttl_ms=300_000, users=users))
    batcher = Batcher(engine, Writer("0" * 32, 1, "me"), 2)
    ids = (f"{number:032x}" for number in itertools.count(1))
    trips: dict[str, str] = {}
    moved = [0] * part.riders
    luck, turns = random.Random(1), itertools.cycle(range(part.riders))
    steps = []
    for n in range(part.warm_up + part.records):
        now_ms = NOW_MS + int(n * RECORD_MS)
        chosen = [next(turns) for _ in range(part.commands)]
        if part.moves is LIFE:
            chosen = luck.sample(range(part.riders), part.commands)
        asked = []
        for pair in chosen:
            kind = part.moves[moved[pair] % len(part.moves)]
            moved[pair] += 1
            user = f"{'r' if kind in SHORT else 'd'}{pair}"
            about = ADDRESSES if kind == "request" else {"trip": trips[f"r{pair}"]}
            who = {"id": next(ids), "deadline_ms": now_ms + 10_000}
            made = makes[kind](by=claims(user).user(), **who, **about)
            encoded = codec.encode(made)
            reply, (command,) = read("main", REPLIES, b"[%b]" % encoded)
            assert batcher.take(reply, command, now_ms)
            asked.append((user, encoded.decode()))
        batch = batcher.close()
        for event in batch.events:
            trip: Any = getattr(event, "trip", None)
            trips[trip.rider.id] = trip.id
        publisher.events(batch.events, batch.encoded)
        publisher.answers(1, batch.entries)
        batcher.delivered(batch)
        steps.append((asked, sent[:]))
        sent.clear()
    return steps


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def claims(user: str) -> Any:
    from schemas.claims import Claims  # noqa: PLC0415
    from schemas.trips import Role  # noqa: PLC0415

    role = Role.RIDER if user.startswith("r") else Role.DRIVER
    until_s = NOW_MS / 1000 + 900
    return Claims(user, user, user, user, role, "main", "s", NOW_MS / 1000, until_s)


class Transport:
    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0


class Socket:
    """gateway/ports.py: Connection, with the writer of a real one."""

    pending = 0
    bare = False

    def __init__(self, gateway: "Gateway", user: str) -> None:
        from websockets.protocol import OPEN  # noqa: PLC0415

        from gateway.sockets import rfc6455  # noqa: PLC0415
        from gateway.sockets.writer import Writer  # noqa: PLC0415

        protocol = rfc6455.Protocol(1 << 20)
        protocol.state = OPEN
        self.writer = Writer(protocol, gateway, 1 << 20, lambda _: None)
        self.writer.transport = Transport()  # type: ignore[assignment]
        self.claims = claims(user)
        self.seat = gateway.router.attach(self, self.claims, None)

    def close(self, code: object) -> None:
        raise AssertionError(code)

    def live(self) -> None: ...

    def current_claims(self) -> Any:
        return self.claims


class Gateway:
    """As gateway/bootstrap.py wires it: bus, loop and clock are this, too."""

    def __init__(self, part: Part) -> None:
        from gateway.fanout.router import Router  # noqa: PLC0415
        from gateway.leader.link import Link  # noqa: PLC0415
        from gateway.limits import Limits  # noqa: PLC0415

        self.hears: dict[bytes, Any] = {}
        self.timers: list[tuple[float, Any]] = []
        self.mono_s = 0.0
        self.woken = False
        self.dirty_writers: list[Any] = []
        self.writes = self.bytes_out = 0
        self.limits = Limits()
        wiring = (self.limits, self._leader, lambda *_: None, self.wake)
        self.link = Link(*wiring)
        self.asked: list[dict[str, Any]] = []
        self.router = Router(
            gateway="g",
            bus=self,  # type: ignore[arg-type]
            link=self.link,
            ids=(f"own{number}" for number in itertools.count()),
            limits=self.limits,
            now=self.now,
            wake=self.wake,
            later=self.later,
        )
        users = [*names("r", part.riders), *names("d", part.drivers)]
        self.sockets = {user: Socket(self, user) for user in users}
        self.settle()

    def now(self) -> Any:
        from gateway.clock import Now  # noqa: PLC0415

        return Now(self.mono_s, NOW_MS)

    def later(self, after_s: float, look: Any) -> None:
        self.timers.append((self.mono_s + after_s, look))

    def wake(self) -> None:
        self.woken = True

    def dirty(self, writer: Any) -> None:
        self.dirty_writers.append(writer)
        self.wake()

    def subscribe_raw(self, subject: str, callback: Any) -> "Hearing":
        heard = subject.replace("*", "main").encode()
        self.hears[heard] = callback
        return Hearing(self, heard)

    def send(self, *_: Any) -> bool:
        return True

    def _leader(self, _: str, payload: bytes, _trace: str) -> bool:
        self.asked += json.loads(payload)
        return True

    def settle(self) -> None:
        """The leader answers what the gateway itself asks: nothing has happened yet."""
        user = {"seq": 0, "feed": 0, "trips": [], "open_trips": None, "online": True}
        data = {**user, "recovered": False, "events": []}
        feed = {"n": 0, "entries": [], "complete": True, "open_trips": []}
        while self.woken:
            self.end_tick()
            for command in self.asked:
                said = data if command["do"] == "sync" else feed | {"open_whole": True}
                answer = {"id": command["id"], "attempt": 1, "data": said}
                told = json.dumps({"epoch": 1, "answers": [answer]}).encode()
                self.hears[REPLIES](REPLIES, b"", told, b"")
            self.asked.clear()

    def submit(self, user: str, encoded: str) -> None:
        from gateway import framing  # noqa: PLC0415
        from schemas import codec  # noqa: PLC0415
        from schemas.commands import AcceptTrip, AnyCommand  # noqa: PLC0415

        command: Any = codec.decode(encoded.encode(), AnyCommand)  # type: ignore[arg-type]
        socket = self.sockets[user]
        seat: Any = socket.seat

        def answered(answer: Any) -> None:
            seat.give(0, framing.reply("1", answer.data), 10_000)

        done = answered

        if type(command) is AcceptTrip:
            accepts: Any = getattr(self.router, "trip_rooms", self.router.rooms)
            done = accepts.before_accept(seat.listener.region, command, answered)
        assert not self.link.submit("main", command, socket, done, self.mono_s)

    def take(self, messages: list[tuple[bytes, bytes]]) -> None:
        """What one record says, in a tick."""
        due = [look for due_s, look in self.timers if due_s <= self.mono_s]
        if due:
            self.timers = [timer for timer in self.timers if timer[0] > self.mono_s]
            for look in due:
                look()
            self.end_tick()
        for subject, payload in messages:
            self.hears[subject](subject, b"", payload, b"")
        self.end_tick()

    def end_tick(self) -> None:
        """As `Gateway._end_tick` of gateway/bootstrap.py."""
        self.woken = False
        self.router.flush()
        self.link.flush(self.mono_s)
        dirty, self.dirty_writers = self.dirty_writers, []
        for writer in dirty:
            writer.flush()


class Hearing:
    def __init__(self, gateway: Gateway, subject: bytes) -> None:
        self._gateway = gateway
        self._subject = subject

    def cancel(self) -> None:
        self._gateway.hears.pop(self._subject, None)


def replay(part: Part, steps: list[Step]) -> tuple[float, float]:
    """CPU-µs and writes a unit."""
    from gateway import metrics  # noqa: PLC0415

    gateway = Gateway(part)
    submitted, used_s, writes = 0, 0.0, 0.0
    for n, (_, said) in enumerate(steps):
        gateway.mono_s += RECORD_MS / 1000
        until = (n // part.group + 1) * part.group + part.lead
        for asked, _ in steps[submitted:until]:
            for user, encoded in asked:
                gateway.submit(user, encoded)
        submitted = max(submitted, until)
        gateway.end_tick()
        if n == part.warm_up:
            used_s, writes = 0.0, -_written(metrics, gateway)
        messages = [(subject.encode(), payload.encode()) for subject, payload in said]
        started_s = time.process_time()
        gateway.take(messages)
        used_s += time.process_time() - started_s
    writes += _written(metrics, gateway)
    units = part.records * part.commands / (4 if part.moves is LIFE else 1)
    return used_s / units * 1e6, writes / units


def _written(metrics: Any, gateway: Gateway) -> float:
    if hasattr(gateway.router, "measure"):
        gateway.router.measure()
    return float(metrics.WRITES._value.get() + gateway.writes)


def measure(part: Part, path: str) -> tuple[float, float]:
    """The least of `REPEATS`."""
    steps = json.loads(Path(path).read_text())
    gc.disable()
    return min(replay(part, steps) for _ in range(REPEATS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--part", choices=PARTS, default="lifecycle")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(PARTS[given.part], given.here)))
        return
    from tests.bench.turns import in_turns  # noqa: PLC0415 - not in all trees

    part = PARTS[given.part]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(traffic(part), file)
        file.flush()
        arguments = ("--part", given.part, "--here", file.name)
        seen = in_turns(__file__, given.before, given.rounds, *arguments)
    for name, values in seen.items():
        least, median = min(values)[0], statistics.median(used for used, _ in values)
        writes = values[0][1]
        print(
            f"{name:>7}: {least:.1f} CPU-µs a {part.unit} at least, median "
            f"{median:.1f}; {writes:.2f} writes"
        )
    if given.before:
        print(f"ratio of the least: {min(seen['now'])[0] / min(seen['before'])[0]:.4f}")


if __name__ == "__main__":
    main()
