"""What goes wrong: a plan's faults, done to a world."""

from typing import TYPE_CHECKING

from tests.simulation.plan import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

LEAP_S = 4500.0
"""Of a wall clock, times a fault's length: up to an hour."""


def strike(world: "World", fault: Fault) -> None:
    kind, _, whom = fault.kind.partition(" ")
    later = world.loop.call_later
    if whom in {"dispatcher", "gateway", "persistence"}:
        _strike_process(world, kind, whom, fault)
    elif fault.kind == "database away":
        world.database.is_away = True
        later(fault.for_s, setattr, world.database, "is_away", False)
    elif fault.kind == "restart nats" and world.server.is_up:
        world.server.restart(fault.for_s)
    elif fault.kind == "lose acks":
        world.server.acks_to_lose = 1 + fault.which % 3
    elif fault.kind == "ledger full":
        world.server.stream.is_full = True
        later(fault.for_s, setattr, world.server.stream, "is_full", False)
    elif fault.kind == "slow disk":
        world.server.store_max_s = 0.3
        later(fault.for_s, setattr, world.server, "store_max_s", 0.002)
    elif fault.kind == "slow network":
        world.server.slow_s = 0.05
        later(fault.for_s, setattr, world.server, "slow_s", 0.001)
    elif fault.kind == "jump clock":
        alive = [m for m in world.machines if m.is_alive]
        machine = alive[fault.which % len(alive)]
        machine.skew_s += (fault.for_s - 0.4) * 20
    elif fault.kind == "leap clock":
        alive = [m for m in world.machines if m.is_alive]
        way = 1 if fault.at_s % 0.2 < 0.1 else -1
        alive[fault.which % len(alive)].skew_s += way * LEAP_S * fault.for_s
    elif fault.kind == "drop messages":
        world.server.luck.to_lose += 1 + fault.which
    elif fault.kind == "repeat messages":
        world.server.luck.to_repeat += 1 + fault.which
    elif fault.kind == "tear snapshot":
        world.server.objects.tear()
    elif fault.kind == "decide raises":
        world.poisoned += 1
    elif fault.kind == "hand over":
        _hand_over(world, fault)
    elif fault.kind == "lose client":
        world.clients[fault.which % len(world.clients)].lose()


def _hand_over(world: "World", fault: Fault) -> None:
    """Whoever leads is told that another, ready or not, is to lead."""
    alive = [m for m in world.dispatchers if m.is_alive and m.held is not None]
    for machine in alive:
        others = [one for one in alive if one is not machine]
        if machine.held.leads and others:
            machine.held.hand_over(others[fault.which % len(others)].name)


def _strike_process(world: "World", kind: str, whom: str, fault: Fault) -> None:
    of_kind = {
        "dispatcher": (world.dispatchers, world.start_dispatcher),
        "gateway": (world.gateways, world.start_gateway),
        "persistence": (world.writers, world.start_persistence),
    }
    machines, again = of_kind[whom]
    alive = [machine for machine in machines if machine.is_alive]
    if not alive:
        return
    machine = alive[fault.which % len(alive)]
    if whom == "dispatcher" and fault.which < 4:  # rather who leads
        machine = next((m for m in alive if m.held and m.held._lead), machine)
    if kind == "kill":
        world.kill(machine)
        world.loop.call_later(fault.for_s, again)
    elif kind == "cut":
        machine.link.cut()
    elif kind == "deafen":
        machine.link.deafen(fault.for_s)
    elif kind == "hang" and not machine.is_hung:
        machine.hang()
        world.loop.call_later(fault.for_s, machine.go_on)
    elif kind == "resign" and machine.held is not None and not machine.is_hung:
        machine.start(machine.held.resign)
        world.loop.call_later(0.5, world.kill, machine)
        world.loop.call_later(0.5 + fault.for_s, again)
