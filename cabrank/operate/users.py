"""`cabrank user add` and `cabrank tokens`: accounts made past the public door."""

import getpass
import sys
from pathlib import Path

from cabrank.errors import UsageError, sentence
from cabrank.operate import target
from persistence.errors import PersistenceError
from persistence.identity.keyfiles import Signer
from persistence.identity.users import add_user, make_tokens
from runtime import environment
from schemas import codec
from schemas.trips import Role, User


def read_password() -> str:
    """The first line of standard input; asked for, twice and unseen, on a terminal.

    Raises:
        UsageError: there is none, or the two differ.
    """
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise UsageError("No password came on standard input.")
        return line
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise UsageError("The two passwords differ.")
    return first


async def add(
    *,
    username: str,
    password: str,
    role: Role,
    first_name: str,
    last_name: str,
    data_dir: Path | None,
) -> User:
    """Make one user who can log in.

    Raises:
        UsageError: the name is taken, or something breaks PROTOCOL.md's limits.
    """
    found = target.find(data_dir)
    async with target.engine(found.database_url) as engine:
        try:
            return await add_user(
                engine,
                username,
                password,
                role,
                environment.load().region,
                first_name,
                last_name,
            )
        except PersistenceError as error:
            raise UsageError(sentence(error)) from None


async def print_tokens(
    role: Role, count: int, prefix: str, regions: list[str], data_dir: Path | None
) -> None:
    """Make users who can't log in, evenly of the regions (none: CABRANK_REGION's); a
    line of JSON each on standard output.

    Raises:
        UsageError: the signing key can't be used, or the prefix makes no usernames.
    """
    found = target.find(data_dir)
    async with target.engine(found.database_url) as engine:
        try:
            signer = Signer.load(found.signing_key)
            for region, share in evenly(count, regions or [environment.load().region]):
                made = make_tokens(engine, signer, role, share, prefix, region)
                async for user, access in made:
                    line = codec.encode({"user": user, "access": access})
                    sys.stdout.buffer.write(line + b"\n")
        except PersistenceError as error:
            raise UsageError(sentence(error)) from None
    sys.stdout.buffer.flush()


def evenly(count: int, regions: list[str]) -> list[tuple[str, int]]:
    """How many of each region; the first have one more where it doesn't come out even,
    and who would have none is left out.
    """
    each, rest = divmod(count, len(regions))
    shares = [(name, each + (k < rest)) for k, name in enumerate(regions)]
    return [(name, share) for name, share in shares if share]
