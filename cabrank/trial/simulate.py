"""`cabrank simulate`: riders and drivers over the public WebSocket, and what broke.

Exit status: 0, or 1 where an invariant broke, or 2 on bad input.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from msgspec import Struct

from cabrank.commands.options import COUNT_MAX, SECONDS_MAX, OffersOption
from cabrank.operate import target
from cabrank.trial.load import report
from cabrank.trial.load.agents import OFFERS, Agent, Driver, Habits, Rider
from cabrank.trial.load.client import Client
from cabrank.trial.load.figures import Figures
from cabrank.trial.load.users import Account, from_data_dir, renew, sign_up
from cabrank.trial.load.watch import Watch
from cabrank.trial.load.web import Web, answering
from cabrank.trial.oracle.invariants import Violation
from runtime.lifecycle import cancel
from schemas.accounts import PAGE_MAX, AuditRow
from schemas.codec import decode
from schemas.explanations import Explanation
from schemas.refusals import Code
from schemas.rooms import MessageData, trip_of
from schemas.trips import Role, Trip

SETTLE_MAX_S = 60.0
"""Trips under way are driven to their end after the run; a fleet that was restarted
just then needs its backoff.
"""
UNSEEN_MAX_S = 10.0
LOUNGES = 2
"""Open rooms; runs have at least one rider and one driver."""
HISTORY_LAG_MAX_S = 30.0
RENEW_EVERY_S = 1.0
OWN_FAULTS = frozenset(
    {Code.BAD_FRAME, Code.UNKNOWN_TYPE, Code.INVALID_DATA, Code.WRONG_ROLE}
)
"""Refusals that nothing these clients send deserves."""


class Plan(Struct, frozen=True):
    """`seed`: of all that is random here but the ids of users."""

    riders: int
    drivers: int
    duration_s: float
    bases: list[str]
    data_dir: Path | None
    seed: int
    habits: Habits = Habits()


class Result(Struct):
    figures: Figures
    violations: list[Violation]
    violation_count: int
    outcomes: Counter[str]
    duration_s: float
    offers: Counter[str]
    """By how they ended."""
    calls: int
    """Of which the history checker looked for an order that explains their answers."""
    undecided: int
    """Trips and users for which its search was given up."""


class Simulation:
    """One run from users to verdict."""

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.watch = Watch.new()
        self.watch.checker.may_match = plan.habits.wants_offers > 0
        self._say = say
        self._web = Web(plan.bases[0])
        self._over = asyncio.Event()
        self.agents: list[Agent] = []
        self._accounts: dict[str, Account] = {}
        self._operator: Account | None = None
        """Who may ask why these drivers; None: nobody here can be made one."""
        self._rows: dict[str, list[AuditRow]] = {}
        self._outcomes: Counter[str] = Counter()

    def stop(self) -> None:
        """End early; the trips under way are still driven to their end."""
        self._over.set()

    async def run(self) -> Result:
        """All of it. Raises: LoadError: users can't be made."""
        await self._make_agents()
        staying = [asyncio.create_task(agent.client.stay()) for agent in self.agents]
        renewing = asyncio.create_task(self._renew_tokens())
        started = time.monotonic()
        try:
            await self._play()
            await self._settle()
            duration_s = time.monotonic() - started
            await self._all_seen()
            await self._check_history()
            await self._all_seen()
        finally:
            for agent in self.agents:
                agent.client.stop()
            await cancel([renewing, *staying])
            self._web.close()
        for task in (renewing, *staying):
            if not task.cancelled() and (error := task.exception()):
                raise error
        return self._verdict(duration_s)

    async def _make_agents(self) -> None:
        if self.plan.data_dir is not None:
            (self._operator,) = await self._make_users(Role.OPERATOR, 1)
        riders = await self._make_users(Role.RIDER, self.plan.riders)
        drivers = await self._make_users(Role.DRIVER, self.plan.drivers)
        Driver.drivers = len(drivers)
        ours = frozenset(account.user.id for account in riders)
        everybody = frozenset(account.user.id for account in riders + drivers)
        self.watch.history.users = everybody
        seeds = random.Random(self.plan.seed)  # noqa: S311 (reproducible on purpose)
        accounts = riders + drivers
        for account in accounts:
            rng = random.Random(seeds.getrandbits(64))  # noqa: S311
            client = Client(account, self.plan.bases, self.watch, rng, ours)
            kind = Rider if account.user.role is Role.RIDER else Driver
            agent = kind(client, self.plan.habits, rng, self.watch, self._over)
            if rng.random() < self.plan.habits.lounges:
                # A user's id: rooms that nobody else knows.
                agent.lounge = f"lounge_{accounts[rng.randrange(LOUNGES)].user.id}"
            self.agents.append(agent)
            self._accounts[account.user.id] = account

    async def _make_users(self, role: Role, count: int) -> list[Account]:
        if self.plan.data_dir is not None:
            return await from_data_dir(self.plan.data_dir, role, count)
        made = 0

        def one_more() -> None:
            nonlocal made
            made += 1
            self._say(f"signing up {role.value}s: {made} of {count}")

        return await sign_up(self._web, role, count, one_more)

    async def _renew_tokens(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            now_s = time.monotonic()
            due = [a for a in self.agents if now_s > a.client.account.renew_at]
            await asyncio.gather(*(self._renew(agent.client) for agent in due))

    async def _renew(self, client: Client) -> None:
        """A session that is lost meanwhile comes back with the new token anyway."""
        if await renew(self._web, client.account) and client.connected:
            refresh = client.ask("session.refresh", {"token": client.account.access})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(refresh, RENEW_EVERY_S)

    async def _play(self) -> None:
        self._living = [asyncio.create_task(agent.live()) for agent in self.agents]
        losing = [asyncio.create_task(a.lose_connections()) for a in self.agents]
        losing += [asyncio.create_task(agent.chat()) for agent in self.agents]
        losing += [
            asyncio.create_task(agent.move())
            for agent in self.agents
            if isinstance(agent, Driver)
        ]
        ends_at = time.monotonic() + self.plan.duration_s
        while not self._over.is_set() and (left := ends_at - time.monotonic()) > 0:
            self._say(self._status(f"{left:.0f} s left"))
            await self.agents[0].pause(min(0.5, left))
            dead = [task for task in self._living + losing if task.done()]
            for task in dead:
                if not task.cancelled() and (error := task.exception()):
                    raise error
        self._over.set()
        await asyncio.gather(*losing)

    def _status(self, phase: str) -> str:
        figures, connected = self.watch.figures, 0
        connected = sum(agent.client.connected for agent in self.agents)
        return (
            f"{phase} · {connected} of {len(self.agents)} connected · "
            f"{len(self.watch.checker.trips())} trips · "
            f"{sum(map(len, figures.latencies.values()))} commands · "
            f"{self.watch.checker.violation_count} violations"
        )

    async def _settle(self) -> None:
        """Let the agents end their trips."""
        pending = set(self._living)
        ends_at = time.monotonic() + SETTLE_MAX_S
        while pending and (left := ends_at - time.monotonic()) > 0:
            self._say(self._status(f"settling, {len(pending)} under way"))
            done, pending = await asyncio.wait(pending, timeout=min(0.5, left))
            for task in done:
                task.result()
        await cancel(pending)
        for agent in self.agents:
            for trip in agent.client.trips.values():
                self.watch.checker.violate(
                    "trips end",
                    f"trip {trip.id} of user {agent.client.account.user.id} is still "
                    f"{trip.status.value} {SETTLE_MAX_S:.0f} s after the run",
                )

    async def _all_seen(self) -> None:
        """Wait until everybody is back and has been shown all that is known of."""
        ends_at = time.monotonic() + UNSEEN_MAX_S
        while time.monotonic() < ends_at:
            away = sum(not agent.client.connected for agent in self.agents)
            unseen = self.watch.checker.unseen()
            unseen += self.watch.conversations.unheard()
            if not away and not unseen:
                return
            self._say(f"waiting for {away} clients and {len(unseen)} events")
            await asyncio.sleep(0.1)

    async def _check_history(self) -> None:
        """Trips and rooms as the database has them, once it has caught up."""
        trips, rooms = self.watch.checker.trips(), self.watch.conversations.rooms()
        await self._compare("trips", trips, self._read_history)
        if self._operator is not None:
            places = self.watch.checker.placed()
            await self._compare("trips' offers", places, self._read_offers)
            self.watch.offers.finish()
        await self._compare("rooms", rooms, self._read_room)

    async def _compare(
        self, what: str, todo: list[str], read: Callable[[str, bool], Awaitable[bool]]
    ) -> None:
        ends_at = time.monotonic() + HISTORY_LAG_MAX_S
        total = len(todo)
        while todo:
            last_look = time.monotonic() > ends_at
            lagging = []
            for start in range(0, len(todo), 50):
                part = todo[start : start + 50]
                seen = await asyncio.gather(*(read(each, last_look) for each in part))
                lagging += [
                    each for each, done in zip(part, seen, strict=True) if not done
                ]
                self._say(f"history: {total - len(todo) + start} of {total} {what}")
            todo = [] if last_look else lagging
            if todo:
                await asyncio.sleep(0.2)

    async def _read_history(self, trip_id: str, last_look: bool) -> bool:
        """Whether history has been compared; it may still lag."""
        checker = self.watch.checker
        token = self._accounts[checker.rider_of(trip_id)].access
        path = f"/api/trips/{trip_id}"
        trip_answer = await self._web.ask("GET", path, token=token)
        rows_answer = await self._web.ask("GET", f"{path}/events", token=token)
        if {trip_answer.status, rows_answer.status} != {200}:
            return False
        trip = decode(trip_answer.body, Trip)
        rows = decode(rows_answer.body, list[AuditRow])
        if not last_look and checker.history_lags(trip, rows):
            return False
        checker.history(trip, rows)
        for row in rows:
            self.watch.history.saw(decode(row.data, Trip))
        self._outcomes[trip.status.value] += 1
        self._rows[trip_id] = rows
        return True

    async def _read_offers(self, trip_id: str, last_look: bool) -> bool:
        """Whether its offers have been judged; history may still lag."""
        rows = self._rows.get(trip_id)
        assert self._operator is not None, "nobody may ask"
        path = f"/api/trips/{trip_id}/matching"
        answer = await self._web.ask("GET", path, token=self._operator.access)
        if rows is None or answer.status != HTTPStatus.OK:
            return False
        told = decode(answer.body, Explanation)
        if not last_look and self.watch.offers.lags(told, rows):
            return False
        self.watch.offers.explain(told, rows)
        return True

    async def _read_room(self, room: str, last_look: bool) -> bool:
        """Whether its messages have been compared; they may still lag."""
        conversations, trip = self.watch.conversations, trip_of(room)
        who = conversations.speaker(room)
        if trip is not None:  # whose driver may have given it back
            who = self.watch.checker.rider_of(trip)
        token = self._accounts[who].access
        rows: list[MessageData] = []
        while True:
            before = f"&before={rows[0].seq}" if rows else ""
            path = f"/api/rooms/{room}/messages?limit={PAGE_MAX}{before}"
            answer = await self._web.ask("GET", path, token=token)
            if answer.status != 200:  # noqa: PLR2004
                return False
            page = decode(answer.body, list[MessageData])
            rows = page[::-1] + rows
            if len(page) < PAGE_MAX:
                break
        if not last_look and conversations.lags(room, rows):
            return False
        conversations.history(room, rows)
        return True

    def _verdict(self, duration_s: float) -> Result:
        checker, figures = self.watch.checker, self.watch.figures
        if checker.may_match:
            self.watch.history.matched = frozenset(checker.placed())
        for code in sorted(OWN_FAULTS & set(figures.refusals)):
            checker.violate(
                "no refusal without cause",
                f"{figures.refusals[code]} commands were refused with {code}",
            )
        checker.finish()
        self.watch.conversations.finish()
        history = self.watch.history
        for violation in history.check():
            checker.violate(violation.rule, violation.message)
        return Result(
            figures,
            checker.violations,
            checker.violation_count,
            self._outcomes,
            duration_s,
            self.watch.offers.ends,
            len(history.calls),
            history.undecided,
        )


async def _simulate(plan: Plan, say: Callable[[str], None]) -> Result:
    simulation = Simulation(plan, say)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, simulation.stop)
    return await simulation.run()


def command(  # noqa: PLR0917 (typer reads options, not positions)
    riders: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Riders.")] = 20,
    drivers: Annotated[int, typer.Option(min=1, max=COUNT_MAX, help="Drivers.")] = 10,
    duration: Annotated[
        float, typer.Option(min=0.1, max=SECONDS_MAX, help="Seconds.")
    ] = 30,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="Base URL, once for each gateway; by default the data directory's."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Of the system; users are made there, without it they sign up."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the random choices.")] = None,
    offers: OffersOption = OFFERS,
) -> None:
    """Run riders and drivers against a running system, check its invariants, and that
    some order of the commands explains all answers. Lifts no limit of a user: riders
    who ask for more than CABRANK_USER_REQUESTS_PER_MIN are refused, and ask again.
    """
    chosen = random.SystemRandom().getrandbits(32) if seed is None else seed
    urls = url or [target.url(data_dir)]
    bases = [answering(text) for text in urls]
    habits = Habits(wants_offers=offers)
    plan = Plan(riders, drivers, duration, bases, data_dir, chosen, habits)
    with (
        report.progress() as say,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        result = runner.run(_simulate(plan, say))
    report.show_simulation(result.figures, result.outcomes, result.duration_s, chosen)
    report.show_offers(result.offers)
    report.show_history(result.calls, result.undecided)
    report.show_violations(result.violations, result.violation_count)
    if result.violation_count:
        raise typer.Exit(1)
