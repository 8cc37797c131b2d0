"""A whole cabrank in one thread and in virtual time: the real dispatchers, gateways and
writers over simulated NATS, clients, clocks and database.

`run` is a function of its plan: the same plan gives the same verdict, message by
message. What each process runs is the shipped code, shell included; what stands in for
something is in loop.py, net.py, stream.py and database.py.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

from msgspec.structs import replace

import dispatcher.engine.batch
import dispatcher.engine.bookings
import dispatcher.engine.decide_offers
import dispatcher.engine.market
import dispatcher.engine.ring
import dispatcher.engine.state
import dispatcher.region.housekeeping
import dispatcher.region.lead
import dispatcher.region.region
import dispatcher.region.retention
import dispatcher.region.snapshotter
import dispatcher.region.waiting
import gateway.bootstrap
import gateway.fanout.presence
import persistence.projected.pull
import persistence.projected.writer
from dispatcher.engine.engine import Engine, Limits
from gateway.bootstrap import Gateway
from gateway.limits import Limits as GatewayLimits
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas.allowances import UNLIMITED, Rate
from schemas.commands import AnyCommand
from schemas.trips import Role
from tests.simulation import faults
from tests.simulation.clients import Client
from tests.simulation.database import Database
from tests.simulation.floods import Flooder
from tests.simulation.host import silent, swept
from tests.simulation.jet import Jet
from tests.simulation.loop import Clock, Loop, Process
from tests.simulation.net import Link, Server
from tests.simulation.plan import LENGTH_S, Booking, Offering, Plan
from tests.simulation.restoring import Backups, second
from tests.simulation.standins import Anybody, Questions, Secrets, Written
from tests.simulation.verdict import Verdict, Watch

SETTLE_MAX_S = 30.0
"""After the last fault everything is whole again within this, or it never is: a command
may have to run into its deadline, a hung leader be noticed, records come again."""
STEP_S = 0.25
COMMAND_S = 4.0
IDS = 1_000_000
"""More than are made in a life of a world."""


class Machine(Process):
    """A process and what it holds."""

    def __init__(self, world: "World", name: str) -> None:
        rng = world.rng(name)
        super().__init__(world.loop, name, rng.choice((0.0, 0.0, -0.5, 0.5)))
        self.link = Link(world.server, self, rng)
        self.link.jetstream = lambda: Jet(self.link, world.server)
        self.service: Service = self.context.run(Service, name)
        self.held: Any = None


class World:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loop = Loop()
        self._work = self.rng("work")
        self.loop.work_s = lambda: self._work.random() * 0.01
        self.server = Server(self.loop, self.rng("server"))
        self.server.is_clustered = plan.clustered
        self.database = Database()
        self.watch = Watch(self)
        few = Rate(plan.allowance / 2, plan.allowance)
        self.users = replace(UNLIMITED, commands=few)
        self.poisoned = 0
        """So many decisions to come raise."""
        self.lives = 0
        """So many worlds were before it, on whose backups it goes on."""
        self._made = 0
        self.calls_left = plan.calls
        self.acting = True
        self.dispatchers: list[Machine] = []
        self.gateways: list[Machine] = []
        self.writers: list[Machine] = []
        self.machines: list[Machine] = []
        self.clients: list[Client] = []
        self.flooders: list[Flooder] = []

    def rng(self, name: str) -> Random:
        """A source of its own for each, so that nobody's order is another's."""
        return Random(f"{self.plan.seed} {name}")

    # ---- processes -----------------------------------------------------------

    def _machine(self, kind: str) -> Machine:
        self._made += 1
        name = f"{kind}-{self._made}" + ("" if not self.lives else f"-{self.lives}")
        machine = Machine(self, name)
        self.machines.append(machine)
        return machine

    def start_dispatcher(self) -> None:
        if not self.server.is_up:
            self.loop.call_later(0.1, self.start_dispatcher)
            return
        machine = self._machine("dispatcher")
        self.dispatchers.append(machine)

        def start() -> None:
            settings = _settings(self.plan)
            region = machine.held = dispatcher.region.region.Region(
                machine.service,
                machine.link,  # type: ignore[arg-type]
                machine.link.jetstream(),
                name="main",
                settings=settings,
                instance=machine.name,
            )
            machine.link.on_reconnect = region.reconnected
            machine.service.spawn("region", region.run(), may_end=True)

        machine.start(start)

    def start_gateway(self) -> None:
        if not self.server.is_up:
            self.loop.call_later(0.1, self.start_gateway)
            return
        machine = self._machine("gateway")
        self.gateways.append(machine)

        def start() -> None:
            made = machine.held = Gateway(
                bus=machine.link,  # type: ignore[arg-type]
                identity=Anybody(),  # type: ignore[arg-type]
                asker=Questions(self),  # type: ignore[arg-type]
                service=machine.service,
                origins=[],
                limits=GatewayLimits(
                    command_s=COMMAND_S, ping_s=1e6, resend_s=0.5, users=self.users
                ),
            )
            machine.link.on_disconnect = made.nats_is_away
            machine.link.on_reconnect = made.nats_is_back
            machine.service.spawn("tick", made.run())

        machine.start(start)

    def start_persistence(self) -> None:
        if not self.server.is_up:
            self.loop.call_later(0.1, self.start_persistence)
            return
        machine = self._machine("persistence")
        self.writers.append(machine)

        def start() -> None:
            writer = machine.held = persistence.projected.writer.Writer(
                machine.link,  # type: ignore[arg-type]
                self.database,  # type: ignore[arg-type]
            )
            machine.link.on_reconnect = writer.reconnected
            writer.start(machine.service)

        machine.start(start)

    def kill(self, machine: Machine) -> None:
        if not machine.is_alive:
            return
        machine.kill()
        machine.link.cut(at_once=self._work.random() < 0.5)
        if machine in self.gateways:
            self.gateways.remove(machine)
            for client in (*self.clients, *self.flooders):
                client.gateway_died(machine)

    # ---- a run ---------------------------------------------------------------

    async def run(self) -> Verdict:
        plan, began_s = self.plan, self.loop.time()
        for _ in range(plan.dispatchers):
            self.start_dispatcher()
        for _ in range(plan.gateways):
            self.start_gateway()
        self.start_persistence()
        for role, count in (
            (Role.RIDER, plan.riders),
            (Role.DRIVER, plan.drivers),
            (Role.OPERATOR, plan.operators),
        ):
            for number in range(count):
                client = Client(self, f"{role.value}-{number}", role)
                self.clients.append(client)
                client.start()
        for number in range(plan.floods):
            flooder = Flooder(self, number)
            self.flooders.append(flooder)
            flooder.start()
        for fault in plan.faults:
            at_s = began_s + 0.2 + fault.at_s
            self.loop.call_at(at_s, faults.strike, self, fault)
        await asyncio.sleep(0.2 + LENGTH_S)
        self.acting = False
        self._heal()
        last_s = max((f.at_s + f.for_s for f in plan.faults), default=0)
        over_s = began_s + 0.2 + last_s + 0.6
        await asyncio.sleep(max(0.0, over_s - self.loop.time()))
        return await self._settle()

    def _heal(self) -> None:
        """Faults that don't end by themselves end now. Clocks further apart than a
        command's deadline let no command live.
        """
        self.poisoned = 0
        self.server.acks_to_lose = 0
        self.server.luck.to_lose = self.server.luck.to_repeat = 0
        for machine in self.machines:
            machine.skew_s = 0.0

    async def _settle(self) -> Verdict:
        until_s = self.loop.time() + SETTLE_MAX_S
        while self.loop.time() < until_s:
            if self.watch.is_whole(self):
                break
            await asyncio.sleep(STEP_S)
        return self.watch.judge(self)

    def poison(self, engine: Engine, command: AnyCommand, seq: int) -> Any:
        if self.poisoned and command.by.role is not Role.OPERATOR:
            self.poisoned -= 1
            raise ArithmeticError("planted")
        return _decide(engine, command, seq)


_decide = Engine.decide


@contextlib.contextmanager
def _staged(world: World) -> Iterator[None]:
    """The code reads this world's clocks, and its periods are a schedule's."""
    plan, clock = world.plan, Clock(world.loop)
    secrets = Secrets(world.lives * IDS)

    def limits(**given: Any) -> Limits:
        of_schedule: dict[str, Any] = {
            "ring_events_max": plan.ring_events_max,
            "keys_per_user_max": plan.held_max,
            "message_keys_per_user_max": plan.held_max,
            "heads_max": plan.held_max,
            "users": world.users,
        }
        return Limits(**given | of_schedule)

    snapshot_s = 0.3 if plan.snapshots else 1e9
    region: dict[str, Any] = {
        "time": clock,
        "wall_ms": lambda: clock.time_ns() // 1_000_000,
        "steady_ms": lambda: world.loop.time() * 1000,
        "Limits": limits,
        "POLL_S": 0.2,
    }
    housekeeping: dict[str, Any] = {"time": clock}
    retention: dict[str, Any] = {"time": clock}
    if plan.purges:
        region["FULL_RETRY_S"] = housekeeping["INTERVAL_S"] = 0.15
        retention["INTERVAL_S"] = 0.1
    # Where there are many rooms, who is where takes many messages, over some ticks.
    part_bytes_max = 2_500 if plan.rooms > 1 else gateway.fanout.presence.PART_BYTES_MAX
    snapshotter = {
        "time": clock,
        "SNAPSHOT_S": snapshot_s,
        "LEADER_PATIENCE": 2,
        "Frozen": Written,
    }

    offering = plan.offering or Offering()
    market = {"WAIT_MS": offering.wait_ms, "STEPS_MAX": offering.steps_max}
    late = {"LATE_MS": offering.late_ms}
    booking = plan.booking or Booking()

    def decide(engine: Engine, command: AnyCommand, seq: int) -> Any:
        return world.poison(engine, command, seq)

    with contextlib.ExitStack() as stack:
        for module, values in (
            (dispatcher.region.region, region),
            (dispatcher.region.housekeeping, housekeeping),
            (dispatcher.region.waiting, {"QUEUE_MAX": plan.queue_max}),
            (
                dispatcher.engine.batch,
                {"EVENTS_PER_RECORD_MAX": plan.events_per_record_max},
            ),
            (dispatcher.engine.bookings, {"BOOKINGS_MAX": booking.most}),
            (dispatcher.engine.market, market),
            (dispatcher.engine.decide_offers, late),
            (dispatcher.engine.state, late),
            (dispatcher.region.snapshotter, snapshotter),
            (dispatcher.region.retention, retention),
            (gateway.bootstrap, {"time": clock, "secrets": secrets, "TICK_S": 0.1}),
            (gateway.fanout.presence, {"PART_BYTES_MAX": part_bytes_max}),
            (persistence.projected.pull, {"time": clock}),
            (persistence.projected.writer, {"time": clock}),
            (Engine, {"decide": decide}),
            (dispatcher.engine.ring, {"MISSED_BYTES_MAX": plan.missed_bytes_max}),
        ):
            stack.enter_context(mock.patch.multiple(module, **values))
        yield


def _settings(plan: Plan) -> Settings:
    offering = plan.offering or Offering()
    booking = plan.booking or Booking()
    return Settings(
        booking_lead_s=booking.lead_ms / 1000,
        request_ttl_s=plan.request_ttl_ms / 1000,
        ledger_kept_s=0,
        offer_ttl_s=offering.offer_ttl_ms / 1000,
        offers_max=offering.offers_max,
        broadcast_after_s=offering.broadcast_after_ms / 1000,
        missed_offers_max=offering.missed_offers_max,
        position_max_age_s=offering.position_max_age_ms / 1000,
        match_window_s=offering.window_ms / 1000,
    )


def run(plan: Plan) -> Verdict:
    """One schedule, from start to verdict."""
    world = World(plan)
    if plan.restoring is None:
        return play(world)
    backups = Backups(world)
    verdict = play(world)
    other = World(second(plan))
    backups.restore(other, plan.restoring.away_s)
    return _both(verdict, play(other))


def _both(first: Verdict, then: Verdict) -> Verdict:
    return replace(
        then,
        violations=first.violations + [f"restored: {one}" for one in then.violations],
        trace=first.trace + then.trace,
        calls=first.calls + then.calls,
    )


def play(world: World) -> Verdict:
    """Its one run."""
    with silent(), swept():
        return _play(world)


def _play(world: World) -> Verdict:
    try:
        with _staged(world):
            return world.loop.run_until_complete(world.run())
    finally:
        for machine in world.machines:
            machine.kill()
        world.loop.close()
