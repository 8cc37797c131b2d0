"""Who lives in the city, what they say, and how many want to go somewhere. Pure.

All figures are the demo's own, made to look alive; those that were measured are the
bench's (cabrank/trial/bench/dispatch).
"""

import random
from dataclasses import dataclass

from schemas.trips import Role

FIRST_NAMES = (
    *("Léa", "Hugo", "Chloé", "Louis", "Inès", "Jules", "Zoé", "Adam", "Rose", "Noé"),
    *("Emma", "Paul", "Nina", "Théo", "Anna", "Marc", "Sara", "Luca", "Mila", "Enzo"),
    *("Alba", "Omar", "Ida", "Sven", "Yuki", "Tomás", "Priya", "Kofi", "Maja", "Ali"),
)
BY_HOUR = (
    *(0.6, 0.5, 0.4, 0.3, 0.3, 0.4, 0.6, 0.9, 1.1, 1.0, 0.9, 0.9),
    *(1.0, 1.0, 0.9, 0.9, 1.0, 1.2, 1.3, 1.2, 1.1, 1.1, 1.0, 0.8),
)
"""How many ask, from midnight on; 1 is what `PER_DRIVER_S` says."""
PER_DRIVER_S = 0.6 / 330
"""Requests a second and driver: a trip takes some 330 s (1.2 km to the pick-up, 2.2 km
to the end: means of 200), and six in ten are busy."""
HASTE_MAX = 4.0
KMH = 40.0
"""A car's speed: generous, for who looks on looks for minutes."""


DETOUR = 2.5
"""How much longer the way by Monaco's streets is than the great circle: 150 pairs of
corners up to 1.5 km apart, as a share of all their metres (a test holds it)."""
KMH_MAX = 1_000.0
"""The most that CABRANK_SPEED_KMH takes."""


def pace(speed: float) -> dict[str, str]:
    """Settings with which the minutes that a rider is told are about those it takes."""
    kmh = min(KMH * speed, KMH_MAX)
    return {"detour": str(DETOUR), "speed_kmh": f"{kmh:g}"}


@dataclass(frozen=True)
class Person:
    username: str
    first_name: str
    role: Role


def crew(role: Role, count: int) -> list[Person]:
    """So many, always the same."""
    names = [FIRST_NAMES[k % len(FIRST_NAMES)] for k in range(count)]
    if role is Role.RIDER:
        names.reverse()
    return [
        Person(f"city-{role.value}-{number}", name, role)
        for number, name in enumerate(names, 1)
    ]


def wait_s(rnd: random.Random, drivers: int, hour: int, speed: float) -> float:
    """Until the next request."""
    return rnd.expovariate(drivers * PER_DRIVER_S * BY_HOUR[hour % 24] * speed)


def haste(speed: float) -> float:
    """How much faster people think: offers, and their answers, keep our time."""
    return min(speed, HASTE_MAX)


@dataclass(frozen=True)
class Habits:
    """How one rider's trip goes. Seconds are theirs (`haste`)."""

    patience_s: float
    """Without a driver that long, they cancel."""
    changes_mind_s: float | None
    """They cancel then, whoever comes; None: they don't."""
    says: str | None
    """To their driver, on the way."""
    answers: str | None


SAYINGS = (
    "I'm by the bakery.",
    "Grey coat, big suitcase.",
    "Take your time.",
    "There are two of us.",
    "Can you stop on the other side?",
)
ANSWERS = ("Coming!", "Two minutes.", "I can see you.", "Thanks.")
HERE = ("I'm here.", "Waiting at the corner, hazard lights on.", "At the door.")


def habits(rnd: random.Random) -> Habits:
    chance = rnd.random()
    return Habits(
        patience_s=rnd.uniform(90, 240),
        changes_mind_s=rnd.uniform(5, 40) if chance < 0.08 else None,
        says=rnd.choice(SAYINGS) if rnd.random() < 0.4 else None,
        answers=rnd.choice(ANSWERS) if rnd.random() < 0.6 else None,
    )


def answer_to_an_offer(rnd: random.Random) -> str | None:
    """`accept`, `decline`, or None: they look elsewhere."""
    chance = rnd.random()
    if chance < 0.9:
        return "accept"
    return "decline" if chance < 0.96 else None
