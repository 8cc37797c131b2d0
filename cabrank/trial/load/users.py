"""Who the load clients are: signed up over HTTP, or made by `cabrank tokens`."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import msgspec
from msgspec import Struct

from cabrank.trial.load import LoadError
from cabrank.trial.load.web import Response, Web
from schemas.accounts import Tokens
from schemas.codec import decoder
from schemas.trips import Role, User

TOKENS_TTL_S = 24 * 3600
"""PROTOCOL.md section 6: what `cabrank tokens` prints is valid 24 h."""
SIGN_UP_ATTEMPTS = 5
RETRY_S = 1.0
CABRANK = (sys.executable, "-m", "cabrank")
"""This command line."""
RENEW_AFTER = 0.7
"""Share of a token's life after which it is exchanged."""


class Account(Struct):
    """A user and the token in use. `renew_at`: monotonic seconds; without a `refresh`
    token it is never renewed.
    """

    user: User
    access: str
    refresh: str | None
    renew_at: float

    @classmethod
    def of(cls, tokens: Tokens) -> "Account":
        renew_at = time.monotonic() + tokens.expires_in * RENEW_AFTER
        return cls(tokens.user, tokens.access, tokens.refresh, renew_at)


class _TokensLine(Struct):
    user: User
    access: str


read_tokens = decoder(Tokens).decode
read_line = decoder(_TokensLine).decode


async def from_data_dir(
    data_dir: Path,
    role: Role,
    count: int,
    program: Sequence[str] = CABRANK,
    more: Sequence[str] = (),
) -> list[Account]:
    """`count` users that can't log in, made by `cabrank tokens` with `more` options (of
    another cabrank than this: `program`), valid 24 h.

    Raises:
        LoadError: the command failed; the message is what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *(*program, "tokens"),
        *("--role", role.value, "--count", str(count), "--data-dir", str(data_dir)),
        *("--prefix", f"load-{secrets.token_hex(4)}-", *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    if process.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"exit status {process.returncode}"
        raise LoadError(f"`cabrank tokens` made no users: {why}")
    renew_at = time.monotonic() + TOKENS_TTL_S
    made = [read_line(line) for line in out.splitlines()]
    return [Account(line.user, line.access, None, renew_at) for line in made]


async def sign_up(
    web: Web, role: Role, count: int, made: Callable[[], None]
) -> list[Account]:
    """`count` new users over HTTP; `made` is called after each.

    Raises:
        LoadError: the system does not answer, or refuses.
    """
    prefix = f"load-{secrets.token_hex(4)}-"
    limit = asyncio.Semaphore(4)
    told = asyncio.Event()

    async def one(number: int) -> Account:
        async with limit:
            account = await _sign_up_one(web, role, f"{prefix}{number}", told)
            made()
            return account

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def _sign_up_one(web: Web, role: Role, name: str, told: asyncio.Event) -> Account:
    password = secrets.token_urlsafe(12)
    body = {"username": name, "password": password, "role": role.value}
    person = {"first_name": role.value.title(), "last_name": name}
    answer = Response(0, b"")
    for attempt in range(SIGN_UP_ATTEMPTS):
        if attempt:
            await asyncio.sleep(RETRY_S)
        answer = await _ask_patiently(web, body | person, told)
        if answer.status == HTTPStatus.CONFLICT:  # an answer was lost: it is ours
            answer = await web.ask("POST", "/api/tokens", body)
        if answer.status in {200, 201}:
            return Account.of(read_tokens(answer.body))
    what = answer.body[:200].decode(errors="replace")
    if not answer.status:
        raise LoadError(f"{web.base} does not answer: {what}.")
    raise LoadError(f"signing up {name} failed with status {answer.status}: {what}")


async def _ask_patiently(
    web: Web, body: dict[str, str], told: asyncio.Event
) -> Response:
    """Wait where one address may not sign up more for now; `told`: the user knows."""
    while True:
        answer = await web.ask("POST", "/api/users", body)
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            return answer
        if not told.is_set():
            told.set()
            why = "no more sign-ups from one address for now; the rest comes one by one"
            more = "CABRANK_SIGN_UPS_PER_ADDRESS_MAX is its limit"
            print(f"{web.base} takes {why} ({more}).", file=sys.stderr)
        await asyncio.sleep(answer.retry_after_s)


async def renew(web: Web, account: Account) -> bool:
    """Exchange the tokens in place; False where that failed (try again later)."""
    if account.refresh is None:
        return False
    body = {"refresh": account.refresh}
    answer = await web.ask("POST", "/api/tokens/refresh", body)
    if answer.status not in {200, 201}:
        return False
    try:
        fresh = Account.of(read_tokens(answer.body))
    except msgspec.MsgspecError:
        return False
    account.access, account.refresh = fresh.access, fresh.refresh
    account.renew_at = fresh.renew_at
    return True
