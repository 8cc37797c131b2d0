"""A run: load, faults one after another, and the verdict of all that watched."""

import asyncio
import bisect
import contextlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cabrank.errors import CabrankError
from cabrank.trial.chaos import jetstream, plan
from cabrank.trial.chaos.database import Database
from cabrank.trial.chaos.deliveries import Deliveries, Told
from cabrank.trial.chaos.endpoints import Endpoint
from cabrank.trial.chaos.faults import Breaker, Harm, undo_hang
from cabrank.trial.chaos.measure import (
    LATENCY_MIN_S,
    LATENCY_WINDOW_S,
    Measured,
    p99_between,
    trips_per_s,
)
from cabrank.trial.chaos.plan import Fault, Kind
from cabrank.trial.chaos.probe import Probe
from cabrank.trial.chaos.system import System
from cabrank.trial.load import LoadError
from cabrank.trial.load.agents import Habits
from cabrank.trial.load.users import from_data_dir
from cabrank.trial.oracle.invariants import Violation
from cabrank.trial.oracle.linear import NEVER
from cabrank.trial.simulate import Plan, Simulation
from runtime.lifecycle import cancel
from schemas.trips import Role

POLL_S = 0.02
START_MAX_S = 60.0
WHOLE_MAX_S = 60.0
"""A client's longest backoff is 20 s, a command's deadline 10 s."""
CATCH_UP_MAX_S = 120.0
DATABASE_KINDS = frozenset({Kind.DATABASE_AWAY, Kind.DATABASE_FULL})
"""Faults that nobody on the live path should notice, however long."""


class Order(Struct, frozen=True):
    """`count`: of faults; None: as many as begin within `duration_s`."""

    seed: int
    kinds: list[Kind]
    count: int | None
    duration_s: float
    pause_s: float | None
    hold_s: float | None
    pairs: float
    riders: int
    drivers: int
    habits: Habits
    own_disks: bool


class Outcome(Struct):
    seed: int
    database: str
    own_disks: bool
    duration_s: float
    """In which trips were begun and faults done; the verdict takes longer."""
    trips: int
    offers: dict[str, int]
    """By how they ended."""
    commands: int
    undecided: int
    faults: list[Measured]
    refusals: dict[str, int]
    violation_count: int
    violations: list[Violation]
    verified: str
    """What `cabrank verify` said at the end."""
    deliveries: list[Told]
    """Of webhooks."""


class Chaos:
    """`run` once. `told` gets each fault as it is over, `say` what goes on."""

    def __init__(
        self,
        order: Order,
        system: System,
        database: Database,
        endpoints: list[Endpoint],
        *,
        say: Callable[[str], None],
        told: Callable[[Measured], None],
    ) -> None:
        self._order = order
        self._system = system
        self._database = database
        self._say = say
        self._told = told
        self._rng = random.Random(order.seed)  # noqa: S311 (reproducible on purpose)
        self._endpoints = endpoints
        self._breaker = Breaker(
            system, database, endpoints, self._rng, own_disks=order.own_disks
        )
        self._measured: list[Measured] = []
        self._now = "starting"
        self._peace_s = self._began_s = time.monotonic()
        self._over = asyncio.Event()

    def stop(self) -> None:
        """No new faults; the run ends as it would have."""
        self._over.set()

    async def run(self) -> Outcome:
        """Raises: LoadError: there is no load to begin with."""
        bases = await self._system.lay_cables()
        await self._prepare(bases)
        load = asyncio.create_task(self._simulation.run())
        probing = [asyncio.create_task(probe.run()) for probe in self._probes]
        probing.append(asyncio.create_task(self._deliveries.follow()))
        breaking = asyncio.create_task(self._break_things())
        try:
            await asyncio.wait({load, breaking}, return_when=asyncio.FIRST_COMPLETED)
            self._now = "settling"
            loaded_s = time.monotonic() - self._began_s
            self._simulation.stop()
            result = await load
            await breaking
        finally:
            undo_hang(self._system)
            await cancel([load, breaking, *probing])
        self._say("waiting for what endpoints are owed")
        deliveries = await self._settle_deliveries()
        self._say("verifying: ledger = database, row by row")
        verified = await self._verify()
        await self._system.take_up_cables()
        checker = self._simulation.watch.checker
        return Outcome(
            self._order.seed,
            self._database.name,
            self._order.own_disks,
            loaded_s,
            result.outcomes.total(),
            dict(result.offers),
            result.calls,
            result.undecided,
            self._measured,
            dict(result.figures.refusals),
            checker.violation_count,
            checker.violations,
            verified,
            deliveries,
        )

    async def _prepare(self, bases: list[str]) -> None:
        order, data_dir = self._order, self._system.directory.root
        accounts = await from_data_dir(data_dir, Role.RIDER, len(bases))
        self._probes = [
            Probe(base, account) for base, account in zip(bases, accounts, strict=True)
        ]
        load = Plan(
            order.riders,
            order.drivers,
            NEVER,
            bases,
            data_dir,
            order.seed,
            order.habits,
        )
        self._simulation = Simulation(load, lambda text: self._say(self._status(text)))
        self._deliveries = Deliveries(
            self._system,
            self._endpoints,
            self._database,
            self._simulation.watch.checker.violate,
        )
        await self._deliveries.begin()

    def _status(self, text: str) -> str:
        what = text.removeprefix(f"{NEVER:.0f} s left · ")
        return f"{len(self._measured)} faults · {self._now} · {what}"

    # ---- faults --------------------------------------------------------------

    async def _break_things(self) -> None:
        order = self._order
        await self._until(self._all_are_well, START_MAX_S, "the load")
        await self._system.all_ready()
        self._began_s = self._peace_s = time.monotonic()
        faults = plan.deal(
            self._rng, order.kinds, hold_s=order.hold_s, pairs=order.pairs
        )
        for number, fault in enumerate(faults):
            is_last = order.count is not None and number >= order.count
            if is_last or (
                order.count is None
                and time.monotonic() - self._began_s > order.duration_s
            ):
                return
            self._now = "peace"
            pause_s = fault.pause_s if order.pause_s is None else order.pause_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause_s)
            if self._over.is_set():
                return
            await self._one(fault)

    async def _one(self, fault: Fault) -> None:
        """Do it, wait until all is well again, and note what it took."""
        self._now = str(fault)
        kinds = [fault.kind] if fault.also is None else [fault.kind, fault.also]
        began_s = time.monotonic()
        try:
            harms = await asyncio.gather(
                *(self._breaker.do(kind, fault.hold_s) for kind in kinds)
            )
        except CabrankError as error:
            self._violate(f"{fault}: {error}")
            return
        over_s = max(harm.over_s for harm in harms)
        self._now = f"whole again after {fault}"
        with contextlib.suppress(TimeoutError):
            await self._until(lambda: self._is_whole(over_s), WHOLE_MAX_S, "whole")
        measured = self._measure(fault, harms, began_s, over_s)
        if measured.whole_s is None:
            self._violate(f"{fault}: not whole again {WHOLE_MAX_S:.0f} s after it")
        try:
            await self._system.all_ready()
            waits = [probe.longest_since(began_s) for probe in self._probes]
            measured.longest_s = max(waits)
            if fault.kind in DATABASE_KINDS:
                await self._catch_up(measured, over_s)
        except CabrankError as error:
            self._violate(f"{fault}: {error}")
        self._measured.append(measured)
        self._peace_s = time.monotonic()
        self._told(measured)

    def _violate(self, text: str) -> None:
        self._simulation.watch.checker.violate("whole again", text)

    async def _until(
        self, condition: Callable[[], bool], limit_s: float, what: str
    ) -> None:
        ends_at = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{what} did not come within {limit_s:.0f} s")
            await asyncio.sleep(POLL_S)

    def _all_are_well(self) -> bool:
        agents = self._simulation.agents
        everybody = self._order.riders + self._order.drivers
        return (
            len(agents) == everybody
            and all(agent.client.connected for agent in agents)
            and self._is_whole(self._began_s)
        )

    def _is_whole(self, since_s: float) -> bool:
        is_back = all(a.client.lost_s is None for a in self._simulation.agents)
        return is_back and None not in self._answers(since_s)

    def _answers(self, since_s: float) -> list[float | None]:
        return [probe.first_after(since_s) for probe in self._probes]

    # ---- figures -------------------------------------------------------------

    def _measure(
        self, fault: Fault, harms: list[Harm], began_s: float, over_s: float
    ) -> Measured:
        answers = [at for at in self._answers(over_s) if at is not None]
        back = [
            welcomed
            for lost, welcomed in self._simulation.watch.figures.outages
            if lost >= began_s or welcomed >= over_s
        ]
        whole_s = None
        if self._is_whole(over_s):
            whole_s = max(0.0, max([*answers, *back]) - over_s)
        measured = Measured(
            fault=str(fault),
            target=" and ".join(harm.target for harm in harms),
            at_s=began_s - self._began_s,
            held_s=over_s - began_s,
            answered_s=min(answers) - over_s if answers else None,
            whole_s=whole_s,
        )
        self._watch_live_path(measured, fault.kind, began_s, over_s)
        return measured

    def _watch_live_path(
        self, measured: Measured, kind: Kind, began_s: float, over_s: float
    ) -> None:
        """Of the load's commands, where the live path should not have moved."""
        if kind not in DATABASE_KINDS or over_s - began_s < LATENCY_MIN_S:
            return
        calls = self._simulation.watch.history.calls
        peace_s = max(self._peace_s, began_s - LATENCY_WINDOW_S)
        before = p99_between(calls, peace_s, began_s)
        during = p99_between(calls, began_s, over_s)
        measured.p99_ratio = during / before if before and during else None
        measured.trips_per_s = trips_per_s(calls, began_s, over_s)

    async def _catch_up(self, measured: Measured, over_s: float) -> None:
        """Wait until the database has what the ledger held when it was back.

        Raises:
            LoadError: it has not in time.
        """
        async for left in jetstream.behind(self._system.directory.root):
            if measured.behind is None:
                measured.behind = left
            if left and time.monotonic() - over_s > CATCH_UP_MAX_S:
                raise LoadError(
                    f"Persistence is still {left} records behind "
                    f"{CATCH_UP_MAX_S:.0f} s after the database came back."
                )
        measured.caught_up_s = time.monotonic() - over_s

    # ---- the end -------------------------------------------------------------

    async def _settle_deliveries(self) -> list[Told]:
        try:
            told = await self._deliveries.settle()
        except CabrankError as error:
            self._violate(f"webhooks: {error}")
            return []
        for at_s, wait_s in self._deliveries.waits():
            measured = self._latest(at_s)
            if measured is not None:
                measured.delivered_s = max(measured.delivered_s or 0.0, wait_s)
        return told

    def _latest(self, at_s: float) -> Measured | None:
        """The fault that had begun last at that monotonic instant."""
        begun_s = [self._began_s + each.at_s for each in self._measured]
        number = bisect.bisect(begun_s, at_s)
        return self._measured[number - 1] if number else None

    async def _verify(self) -> str:
        """`cabrank verify` as an operator runs it."""
        said, status = await run_verify(self._system.directory.root)
        if status:
            said_so = f"exit status {status}: {said}"
            self._simulation.watch.checker.violate("ledger = database", said_so)
        return said


async def run_verify(data_dir: Path) -> tuple[str, int]:
    """What it printed, and its exit status."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cabrank", "verify", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode(errors="replace").strip(), process.returncode or 0
