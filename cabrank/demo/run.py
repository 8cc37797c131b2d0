"""`cabrank demo`: `up`, and once it is ready, log-ins for who looks on, and a city."""

import asyncio
import json
import os
import secrets
import subprocess
from functools import partial

import httpx

from cabrank.demo import people
from cabrank.demo.city import TIMEOUT_S, City
from cabrank.errors import StackError, UsageError
from cabrank.stack import stack, up
from cabrank.stack.datadir import DataDir, write
from cabrank.stack.stack import Plan
from cabrank.stack.supervisor import say
from runtime.settings import variable
from schemas.permissions import Service
from schemas.trips import Role

KEPT = "demo.json"
"""In the data directory: the password of all whom the demo made."""
GUESTS = {Role.RIDER: "demo-rider", Role.DRIVER: "demo-driver"}
OPERATOR = "demo-operator"
FIRST_NAMES = {Role.RIDER: "Robin", Role.DRIVER: "Dana"}
PAGES = {Role.RIDER: "/rider", Role.DRIVER: "/driver"}


def run(options: up.Options, drivers: int, speed: float, policy: str | None) -> int:
    """Until SIGTERM or SIGINT, as `up.run`. What the environment says of how fast cars
    are goes before what the city's streets do.

    Raises:
        UsageError, StackError: as `up.run`.
    """
    for name, value in people.pace(speed).items():
        os.environ.setdefault(variable(name), value)
    if policy is not None:
        os.environ[variable("matching")] = policy
    return up.run(options, beside=partial(_live, drivers, speed))


async def _live(drivers: int, speed: float, plan: Plan) -> None:
    password = _password(plan.directory)
    await _make_operator(plan, password)
    await _make_guests(plan, password)
    for role, name in GUESTS.items():
        say(f"{plan.url}{PAGES[role]}  log in as {name} with {password}")
    say(f"the operator is {OPERATOR}, with the same password")
    await City(plan.url, password, drivers, speed).live()


def _password(directory: DataDir) -> str:
    """Made once, for who can read the directory (0700)."""
    kept = directory.root / KEPT
    if not kept.exists():
        write(kept, json.dumps({"password": secrets.token_urlsafe(9)}) + "\n")
    return str(json.loads(kept.read_text())["password"])


async def _make_operator(plan: Plan, password: str) -> None:
    """As an operator does it, in a process of its own; there already: as well.

    Raises:
        StackError: they can't be made.
    """
    process = await asyncio.create_subprocess_exec(
        *stack.command("user", "add", OPERATOR, "--role", Role.OPERATOR.value),
        *("--first-name", "Olga", "--data-dir", str(plan.directory.root)),
        env=stack.environ(plan, Service.OPERATOR),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = await process.communicate(f"{password}\n".encode())
    if process.returncode and b"is taken" not in said:
        raise StackError(said.decode(errors="replace").strip())


async def _make_guests(plan: Plan, password: str) -> None:
    """Those who sign up as anybody does; there already: they can log in.

    Raises:
        UsageError: they can't, with that password.
    """
    async with httpx.AsyncClient(
        base_url=plan.url, timeout=TIMEOUT_S, trust_env=False
    ) as http:
        for role, name in GUESTS.items():
            body = {"username": name, "password": password, "role": role.value}
            body["first_name"] = FIRST_NAMES[role]
            answer = await http.post("/api/users", json=body)
            if answer.status_code == httpx.codes.CONFLICT:
                answer = await http.post("/api/tokens", json=body)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                raise UsageError(
                    f"{name} is there already, with another password than that in "
                    f"{plan.directory.root / KEPT}: choose another --data-dir."
                )
            answer.raise_for_status()
