"""Carries out one fault and undoes it. Measures nothing, and judges nothing."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random

from msgspec import Struct

from cabrank.trial.chaos import disk, jetstream
from cabrank.trial.chaos.database import Database
from cabrank.trial.chaos.endpoints import Endpoint
from cabrank.trial.chaos.plan import Kind
from cabrank.trial.chaos.system import System

LEADER_MAX_S = 10.0
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
SERVICES = ("dispatcher", "gateway", "persistence", "webhooks")

Act = Callable[[Endpoint], None]


def _signal(sign: signal.Signals) -> Act:
    return lambda endpoint: endpoint.send(sign)


ENDPOINT: dict[Kind, tuple[Act, Act]] = {
    Kind.HANG_ENDPOINT: (_signal(signal.SIGSTOP), _signal(signal.SIGCONT)),
    Kind.ENDPOINT_FAILS: (_signal(signal.SIGUSR1), _signal(signal.SIGUSR2)),
    Kind.ENDPOINT_AWAY: (Endpoint.kill, Endpoint.start),
}
"""What is done to one, and how it is undone (receiver.py)."""


class Harm(Struct):
    """Monotonic seconds: `began_s` when it was done, `over_s` from when on nothing
    stood in the way any more: of a killed service its death itself, since others or
    its successor are to take over; of a NATS server its return.
    """

    target: str
    began_s: float
    over_s: float


class Breaker:
    """`own_disks`: ledger and database lie on disks that can really be filled."""

    def __init__(
        self,
        system: System,
        database: Database,
        endpoints: list[Endpoint],
        rng: Random,
        *,
        own_disks: bool,
    ) -> None:
        self._system = system
        self._database = database
        self._endpoints = endpoints
        self._rng = rng
        self._own_disks = own_disks
        self._special: dict[Kind, Callable[[float], Awaitable[Harm]]] = {
            Kind.KILL_SERVICES: self._kill_services,
            Kind.CUT_SOCKETS: self._cut_sockets,
            Kind.CUT_LEDGER_LEADER: self._cut_off_ledger_leader,
            Kind.DATABASE_AWAY: self._database_away,
            Kind.DATABASE_FULL: self._database_full,
            Kind.LEDGER_FULL: self._ledger_full,
            **{kind: partial(self._harm_endpoint, kind) for kind in ENDPOINT},
        }

    async def do(self, kind: Kind, hold_s: float) -> Harm:
        """All of it: returns when it is undone, and what died is ready again.

        Raises:
            LoadError: what died does not come back.
        """
        if kind in self._special:
            return await self._special[kind](hold_s)
        how, _, service = kind.partition("-")
        name = await self._pick(service)
        if how == "hang":
            return await self._hang(name, hold_s)
        return await self._end(name, SIGNALS[how])

    async def _pick(self, service: str) -> str:
        if service == "ledger-leader":
            return await jetstream.leading_server(self._system.directory.root)
        if service not in {"leader", "standby"}:
            return self._rng.choice(self._system.names(service))
        dispatchers = self._system.names("dispatcher")
        ends_at = time.monotonic() + LEADER_MAX_S
        while (leader := await self._system.leader()) is None:
            if time.monotonic() > ends_at:
                return self._rng.choice(dispatchers)
            await asyncio.sleep(0.05)
        others = [name for name in dispatchers if name != leader]
        return leader if service == "leader" or not others else others[0]

    # ---- processes -----------------------------------------------------------

    async def _end(self, name: str, sign: signal.Signals) -> Harm:
        began_s = time.monotonic()
        pid = self._system.signal(name, sign)
        await self._system.replaced(name, pid)
        is_back_s = time.monotonic()
        # Of several servers the others are to do.
        over_s = is_back_s if name == "nats" else began_s
        return Harm(name, began_s, over_s)

    async def _hang(self, name: str, hold_s: float) -> Harm:
        began_s = time.monotonic()
        self._system.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(hold_s)
        finally:
            self._system.signal(name, signal.SIGCONT)
        # Others are to take over from who leads and hangs, whatever becomes of it.
        has_others = name.startswith(("dispatcher", "nats-"))
        return Harm(name, began_s, began_s if has_others else time.monotonic())

    async def _kill_services(self, _: float) -> Harm:
        began_s = time.monotonic()
        names = [name for kind in SERVICES for name in self._system.names(kind)]
        pids = {name: self._system.signal(name, signal.SIGKILL) for name in names}
        for name, pid in pids.items():
            await self._system.replaced(name, pid)
        return Harm("all", began_s, began_s)

    # ---- endpoints -----------------------------------------------------------

    async def _harm_endpoint(self, kind: Kind, hold_s: float) -> Harm:
        endpoint = self._rng.choice(self._endpoints)
        harm, mend = ENDPOINT[kind]
        began_s = time.monotonic()
        harm(endpoint)
        try:
            await asyncio.sleep(hold_s)
        finally:
            mend(endpoint)
        return Harm(f"endpoint {endpoint.name}", began_s, time.monotonic())

    # ---- sockets, disks, database --------------------------------------------

    async def _cut_sockets(self, hold_s: float) -> Harm:
        name = self._rng.choice(self._system.gateways)
        began_s = time.monotonic()
        await self._system.cables[name].cut()
        try:
            await asyncio.sleep(hold_s)
        finally:
            await self._system.cables[name].lay()
        return Harm(f"clients of {name}", began_s, time.monotonic())

    async def _cut_off_ledger_leader(self, hold_s: float) -> Harm:
        network = self._system.network
        assert network is not None, "asked before"
        name = await self._pick("ledger-leader")
        began_s = time.monotonic()
        network.cut_off(int(name.partition("-")[2]))
        try:
            await asyncio.sleep(hold_s)
        finally:
            network.mend()
        # The others are to do, whatever becomes of it.
        return Harm(name, began_s, began_s)

    async def _database_away(self, hold_s: float) -> Harm:
        began_s = time.monotonic()
        await asyncio.to_thread(self._database.away)
        try:
            await asyncio.sleep(hold_s)
        finally:
            await asyncio.to_thread(self._database.back)
        return Harm(self._database.name, began_s, time.monotonic())

    async def _database_full(self, hold_s: float) -> Harm:
        began_s = time.monotonic()
        folder = self._database.folder
        if self._own_disks:
            disk.fill(folder)
        else:
            size = max(file.stat().st_size for file in folder.iterdir())
            disk.limit_files(self._persistence(), size)
        try:
            await asyncio.sleep(hold_s)
        finally:
            if self._own_disks:
                disk.clear(folder)
            else:
                disk.limit_files(self._persistence(), None)
            await asyncio.to_thread(self._database.back)
        return Harm(self._database.name, began_s, time.monotonic())

    def _persistence(self) -> list[int]:
        return [self._system.pid(name) for name in self._system.names("persistence")]

    async def _ledger_full(self, hold_s: float) -> Harm:
        began_s = time.monotonic()
        root = self._system.directory.root
        store = self._system.directory.nats_store("nats")
        if self._own_disks:
            disk.fill(store)
        else:
            await jetstream.limit_ledgers(root, full=True)
        try:
            await asyncio.sleep(hold_s)
        finally:
            if self._own_disks:
                disk.clear(store)
            else:
                await jetstream.limit_ledgers(root, full=False)
        return Harm("ledger", began_s, time.monotonic())


def undo_hang(system: System) -> None:
    """Let nobody stand still, whatever ended the run."""
    for name in system.names(""):
        with suppress(ProcessLookupError):
            system.signal(name, signal.SIGCONT)
