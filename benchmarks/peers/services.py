"""The same jobs on this system and on taxi services written with what people come from,
Channels and python-socketio, one after the other on one machine.

The clients are cabrank.trial.bench's for all; the jobs are smaller than `cabrank
bench`'s own, so that the slowest peer ends within a minute or two.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import infra
import jwt
import page
from peers import PEERS, Peer
from rounds import OURS
from taxi.frames import SECRET

from cabrank.trial.bench import connections, fanout, lifecycle, locations
from cabrank.trial.bench.orders import Member, Order
from cabrank.trial.bench.rows import Sheet
from cabrank.trial.bench.subject import Subject, subject
from cabrank.trial.load import LoadError
from cabrank.trial.load.users import Account, from_data_dir
from schemas.trips import Role, User

HERE = Path(__file__).resolve().parent
SOCKET_IO = str(HERE / "socketio_link.py")
TOKEN_TTL_S = 24 * 3600
BOTH = (Role.RIDER, Role.DRIVER)


class Sizes:
    """How much of each job; the peers get less of it, their figures need no more."""

    def __init__(self, *, quick: bool, runs: int) -> None:
        small = 10 if quick else 1
        self.drivers = 1000 // small
        self.runs = 1 if quick else runs
        self.ours = fanout.Job(
            self.drivers, self.runs, 300 // small, 30, 20, 10, 150, 1000 // small
        )
        self.theirs = fanout.Job(self.drivers, 1, 15, 2, 20, 10, 25)
        self.flood = fanout.Job(100, 1, 1, 1, 300, 10, 0)
        self.connections = 5000 // small
        self.their_connections = 1000 // small
        self.pairs = 64 // small
        self.window_s = 1.0 if quick else 5.0


def _member(role: Role) -> Member:
    key = str(uuid.uuid4())
    user = User(key, f"{role.value}-{key[:8]}", "Ann", "Example", role)
    claims = {
        "user": {
            "id": user.id,
            "username": user.username,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "role": role.value,
        },
        "exp": int(time.time()) + TOKEN_TTL_S,
    }
    return Member(user, jwt.encode(claims, SECRET, algorithm="HS256"))


def _lifecycle(
    base: str, where: Path, people: list[list[Member]], sizes: Sizes, *program: str
) -> Sheet:
    order = Order(base, people[0], people[1], 1.0, sizes.window_s, sizes.runs)
    runs, summary = lifecycle.measure(order, where, program or lifecycle.GENERATOR)
    sheet = lifecycle.sheet(f"{len(people[0])} pairs", runs)
    sheet.losses = summary.unfinished
    sheet.blame(summary.troubles)
    return sheet


def _attempt(sheets: list[Sheet], name: str, job: Callable[[], Sheet]) -> None:
    """A peer that doesn't get through a job says so in the table."""
    try:
        sheets.append(job())
    except LoadError as error:
        sheets.append(Sheet(name, "failed", [], 0, {}, {str(error): 1}))


def ours(sizes: Sizes) -> list[Sheet]:
    with subject(None, None, print) as system:
        made = [
            fanout.measure(system, sizes.ours),
            locations.measure(
                system, locations.Job(sizes.drivers, sizes.runs, 100, 20)
            ),
        ]
    with subject(None, None, print) as system:
        made.append(fanout.measure(system, sizes.flood, beside=False))
        people = [
            [Member(one.user, one.access) for one in _accounts(system, role, sizes)]
            for role in BOTH
        ]
        made.append(_lifecycle(system.base, system.data_dir, people, sizes))
    with subject(None, None, print) as system:
        job = connections.Job(sizes.connections, 1, 0)
        made.append(connections.measure(system, job))
    return made


def _accounts(system: Subject, role: Role, sizes: Sizes) -> list[Account]:
    return asyncio.run(from_data_dir(system.data_dir, role, sizes.pairs))


def theirs(peer: Peer, sizes: Sizes) -> list[Sheet]:
    """Each job on a server of its own, so that no backlog reaches the next."""
    clients = (SOCKET_IO, "crowd") if peer.socketio else fanout.CROWD
    pairs = (SOCKET_IO, "generator") if peer.socketio else lifecycle.GENERATOR
    made: list[Sheet] = []

    def crowded(role: Role, count: int) -> list[str]:
        return [_member(role).access for _ in range(count)]

    with _running(peer) as (base, where):
        system = Subject(base, where, crowded)
        job = sizes.theirs
        _attempt(
            made,
            "fanout",
            lambda: fanout.measure(system, job, crowd=clients, beside=False),
        )
    with _running(peer) as (base, where):
        system = Subject(base, where, crowded)
        flood = sizes.flood
        _attempt(
            made,
            "fanout",
            lambda: fanout.measure(system, flood, crowd=clients, beside=False),
        )
    with _running(peer) as (base, where):
        people = [[_member(role) for _ in range(sizes.pairs)] for role in BOTH]
        _attempt(
            made, "lifecycle", lambda: _lifecycle(base, where, people, sizes, *pairs)
        )
    with _running(peer) as (base, where):
        system = Subject(base, where, crowded)
        idle = connections.Job(sizes.their_connections, 1, 0)
        _attempt(
            made,
            "connections",
            lambda: connections.measure(system, idle, crowd=clients),
        )
    return made


@contextlib.contextmanager
def _running(peer: Peer) -> Iterator[tuple[str, Path]]:
    binaries = infra.virtual_environment()
    with tempfile.TemporaryDirectory(prefix="peers-") as made:
        where = Path(made)
        where.chmod(0o755)
        with infra.redis(where) as redis, infra.postgresql(where) as port:
            environment = {
                "PEERS_REDIS": str(redis),
                "PEERS_POSTGRES_PORT": str(port),
                "PEERS_LAYER": peer.layer,
                "PEERS_CAPACITY": str(peer.capacity),
                "PYTHONPATH": str(HERE),
            }
            infra.run([binaries / "python", "-m", "taxi.tables"], environment)
            command = [binaries / peer.command[0], *peer.command[1:]]
            with (
                infra.server(where, command, environment) as base,
                infra.backends_named(where),
            ):
                yield base, where


def measured(
    sizes: Sizes, wanted: Callable[[str], bool], kept: page.Found
) -> tuple[page.Found, list[str]]:
    """What all have, and whose figures of before are among it: those not `wanted`."""
    jobs = {OURS: lambda: ours(sizes)}
    jobs |= {peer.name: partial(theirs, peer, sizes) for peer in PEERS}
    found: page.Found = {}
    earlier = []
    for name, job in jobs.items():
        if wanted(name):
            print(f"services: {name}", file=sys.stderr, flush=True)
            found[name] = job()
        elif name in kept:
            found[name] = kept[name]
            earlier.append(name)
    return found, earlier
