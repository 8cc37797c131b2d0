"""`cabrank up`: the whole system on this machine, from nothing to the ready line, and
cleanly down again.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cabrank.errors import StackError, UsageError, sentence
from cabrank.stack import embedded, fulldisk, logs, nats_auth, ports, stack
from cabrank.stack.datadir import DataDir, Remembered
from cabrank.stack.embedded import Home
from cabrank.stack.rolling import RESTART, Rolling
from cabrank.stack.stack import Plan
from cabrank.stack.supervisor import Children, Supervised, say, tail
from persistence import stamp
from runtime import environment, settings, tracing
from runtime.lifecycle import cancel
from schemas.permissions import Service
from web import PAGES

STOP_MAX_S = 25.0
"""Orchestrators kill after 30 s (Kubernetes' default); we are done before."""
STOP_LATER_S = 3.0
"""What is kept of that for each stage that is still to come."""
PREPARE = "migrate"
CLUSTER_SIZES = (1, 3, 5)
"""With an even number the loss of half, with an odd one of less than half is borne."""


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    data_dir: Path
    gateways: int
    dispatchers: int
    persistence: int
    database_url: str | None
    webhooks: int = 1
    share_port: bool = False
    nats_servers: int | None = None
    """None: as many as last time on this directory, else one."""
    nats_homes: Sequence[Home] = ()
    """Where they run; none: all on loopback."""


Beside = Callable[[Plan], Awaitable[None]]
"""What runs in this process once all is ready, until it stops."""


def run(options: Options, beside: Beside | None = None) -> int:
    """Run everything until SIGTERM, SIGINT, or the terminal's end; RESTART, and SIGHUP
    otherwise, restart the services one after another. What `beside` raises ends it.

    Returns:
        0 after a clean stop.

    Raises:
        UsageError: an option, a setting or the directory can't be used.
        StackError: a program can't be started.
    """
    # A wrong one is told here, not by each service in its log.
    tracing.check(environment.load())
    directory = DataDir(options.data_dir)
    directory.make()
    lock = directory.lock()
    directory.forget_pids()
    plan = _plan(options, directory)
    from persistence.identity import keyfiles  # noqa: PLC0415 — cryptography takes its time

    try:
        keyfiles.ensure(directory.signing_key, directory.verify_keys)
    except keyfiles.KeyFileError as error:
        raise UsageError(sentence(error)) from None
    # Seeds first: the configurations include their public keys.
    nats_auth.run(directory.nats_auth, [], [])
    stack.write_nats_configs(plan)
    children = Children(directory, lock)
    try:
        return asyncio.run(_up(plan, children, beside))
    finally:
        directory.forget_pids()
        children.close()
        os.close(lock)


def _plan(options: Options, directory: DataDir) -> Plan:
    """Settle what the options leave open."""
    last = directory.recall()
    port = ports.listening(options.host, options.port, options.gateways)
    servers = nats_servers(directory, options.nats_servers)
    nats_port = last.nats_port
    count = embedded.ports_of(servers)
    if not nats_port or not all(
        ports.is_free("127.0.0.1", nats_port + k) for k in range(count)
    ):
        nats_port = ports.free(count=count)
    return Plan(
        directory=directory,
        host=options.host,
        port=port,
        gateways=options.gateways,
        dispatchers=options.dispatchers,
        persistence=options.persistence,
        webhooks=options.webhooks,
        database_url=database_url(directory, options.database_url),
        nats_port=nats_port,
        nats_servers=servers,
        share_port=options.share_port,
        nats_homes=options.nats_homes,
    )


def database_url(directory: DataDir, given: str | None) -> str:
    """The option, else the setting, else the one used last here, else SQLite's."""
    setting = environment.read(settings.variable("database_url"))
    embedded_url = directory.embedded_database_url
    last = directory.recall().database_url or embedded_url
    chosen = given or setting or last
    if directory.exists() and chosen != last:
        say("this data directory was used with another database; its trips stay there")
    return chosen


def nats_servers(directory: DataDir, given: int | None) -> int:
    """The option, else as many as were used last here, else one.

    Raises:
        UsageError: it can't be so many, or the directory's ledger is on another number
            of servers: one that stood alone can't join a cluster with its streams.
    """
    last = directory.recall().nats_servers
    chosen = given or last
    if chosen not in CLUSTER_SIZES:
        raise UsageError(f"--nats-servers is {chosen}; it can be 1, 3 or 5.")
    if chosen != last and directory.exists():
        raise UsageError(
            f"The data directory {directory.root} has its ledger on {last} "
            f"nats-server{'s' if last > 1 else ''}, and --nats-servers is {chosen}: "
            "choose another with --data-dir."
        )
    return chosen


async def _up(plan: Plan, children: Children, beside: Beside | None) -> int:
    return await Up(plan, children, beside).run()


class Up:
    def __init__(
        self, plan: Plan, children: Children, beside: Beside | None = None
    ) -> None:
        self.plan = plan
        self._beside = beside
        self.children = children
        self.stages: list[list[Supervised]] = []
        """In the order in which they are stopped."""
        self.listeners: list[list[socket.socket]] = []
        """The gateways'; open here too, so that what connects while one is replaced or
        dead waits for the next."""
        self._rolling = Rolling(self)
        self._patients: list[fulldisk.Patient] = []
        self._asked = asyncio.Event()
        self._terminal = has_terminal()
        self.failed: asyncio.Future[None] = asyncio.Future()
        """Done when a program is given up."""

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._asked.set)
        loop.add_signal_handler(RESTART, self._rolling.ask)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup(1)
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        asked = asyncio.create_task(self._asked.wait())
        starting = asyncio.create_task(self._start())
        tending = asyncio.create_task(self._tend(starting))
        try:
            await self._until_ended(asked, starting, tending)
        finally:
            await cancel([starting, tending])
            self._stop_listening()
            await self._stop()
            asked.cancel()
        return 0

    async def _until_ended(
        self,
        asked: asyncio.Task[bool],
        starting: asyncio.Task[None],
        tending: asyncio.Task[None],
    ) -> None:
        """Return when asked to stop; raise what makes going on senseless."""
        watched: set[asyncio.Future[Any]] = {asked, starting, tending, self.failed}
        while True:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if asked in done:
                return
            for future in done:
                future.result()
            watched.discard(starting)

    async def _tend(self, starting: asyncio.Task[None]) -> None:
        """What is done while all runs; until cancelled."""
        await asyncio.wait({starting})
        is_up = not starting.cancelled() and starting.exception() is None
        beside = [self._beside(self.plan)] if self._beside and is_up else []
        await asyncio.gather(
            self._rolling.run(starting),
            fulldisk.watch(self._patients),
            logs.watch(self.plan.directory.logs),
            *beside,
        )

    def _hung_up(self) -> None:
        """The terminal is gone: stop. It is still there, or never was: restart."""
        if self._terminal and not has_terminal():
            self._asked.set()
        else:
            self._rolling.ask()

    # ---- start ---------------------------------------------------------------

    async def _start(self) -> None:
        plan = self.plan
        self.listeners = ports.listeners(
            plan.host, plan.port, plan.gateways, share=plan.share_port
        )
        nats = [
            Supervised(name, self.children, stack.nats(plan, number))
            for number, name in enumerate(plan.names("nats"), 1)
        ]
        gateways = [
            Supervised(name, self.children, stack.gateway(plan, number, own))
            for number, (name, own) in enumerate(
                zip(plan.names("gateway"), self.listeners, strict=True), 1
            )
        ]
        dispatchers = self._workers(Service.DISPATCHER)
        persistence = self._workers(Service.PERSISTENCE)
        webhooks = self._workers(Service.WEBHOOKS)
        self.stages = [gateways, dispatchers, webhooks, persistence, nats]
        directory = plan.directory
        if directory.exists() and not directory.has_ledger():
            directory.new_ledger.touch()
        # Before they say anything: what they say while others start counts.
        store = directory.nats_store
        self._patients = [fulldisk.Patient(each, store(each.name)) for each in nats]
        for server in nats:
            server.begin(self.failed)
        await self.migrate()
        # The embedded one goes without saying, so that the directory may be moved.
        foreign = plan.database_url != directory.embedded_database_url
        url = plan.database_url if foreign else ""
        servers = (plan.nats_servers, plan.nats_hosts)
        here = ports.url(ports.connectable(plan.host), plan.port)
        directory.remember(Remembered(plan.nats_port, url, here, *servers))
        if directory.new_ledger.exists():
            await asyncio.gather(*(server.ready() for server in nats))
            say("there is no ledger any more: one begins above the database's numbers")
            as_who = Service.DISPATCHER  # nobody else may write a ledger
            await self._prepare("rebuild", "--new-ledger", service=as_who)
            directory.new_ledger.unlink()
        # Beside NATS, which is there before they have imported what they need; those
        # first that need most.
        programs = (*persistence, *gateways, *dispatchers, *webhooks)
        for program in programs:
            program.begin(self.failed)
        await asyncio.gather(*(program.ready() for program in (*nats, *programs)))
        print(f"cabrank ready on {plan.url}", flush=True)
        # On standard error: of the ready line's there is one line alone.
        for path, what in PAGES.items():
            say(f"{plan.url}{path}  {what}")

    def _workers(self, service: Service) -> list[Supervised]:
        return [
            Supervised(name, self.children, stack.worker(self.plan, service))
            for name in self.plan.names(service)
        ]

    async def migrate(self) -> None:
        """Unless there is nothing to do."""
        directory = self.plan.directory
        embedded = self.plan.database_url == directory.embedded_database_url
        if not (embedded and stamp.is_current(directory.database)):
            await self._prepare("migrate")

    async def _prepare(
        self, *command: str, service: Service = Service.OPERATOR
    ) -> None:
        """In a process of its own: SQLAlchemy and Alembic are 60 MB that `up` would
        carry as long as it lives.
        """
        process = await self.children.start(
            PREPARE, stack.command(*command), stack.environ(self.plan, service)
        )
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if status == UsageError.exit_code:
            said = tail(self.children.directory.log_file(PREPARE)).splitlines()[-1:]
            raise UsageError(said[0] if said else "The database can't be used.")
        if status != 0:
            log = self.children.directory.log_file(PREPARE)
            raise StackError(
                f"The database can't be brought up to date. The end of {log}:\n"
                f"{tail(log)}"
            )

    # ---- stop ----------------------------------------------------------------

    def _stop_listening(self) -> None:
        """Who connects from now on is refused instead of kept waiting."""
        for listener in itertools.chain(*self.listeners):
            listener.close()
        self.listeners = []

    async def _stop(self) -> None:
        """Edge first: what it took is decided, what was decided is written, and only
        then does the ledger's server go.
        """
        deadline = time.monotonic() + STOP_MAX_S
        for done, stage in enumerate(self.stages, 1):
            reserved_s = (len(self.stages) - done) * STOP_LATER_S
            limit_s = max(deadline - time.monotonic() - reserved_s, STOP_LATER_S)
            await asyncio.gather(*(program.stop(limit_s) for program in stage))


def has_terminal() -> bool:
    """Whether this process has a controlling terminal (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
