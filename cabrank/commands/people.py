"""Users: made, told all of, erased; what was written down about their doings."""

import sys
from typing import Annotated

import typer

from cabrank.commands.helping import Group
from cabrank.commands.options import DataDirOption, RoleOption
from schemas.service_accounts import EXPIRES_DAYS_MAX

app = typer.Typer(
    cls=Group, help="Make, export and erase users.", rich_markup_mode=None
)


ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="trips, drivers, rooms, webhooks or read; may be repeated. None: all.",
    ),
]
ExpiresOption = Annotated[
    int | None,
    typer.Option(
        "--expires",
        metavar="DAYS",
        min=1,
        max=EXPIRES_DAYS_MAX,
        help="When the key ends by itself. None: never.",
    ),
]


@app.callback()
def _user() -> None:
    """Make users, tell what is stored about them, erase them."""


@app.command("add")
def add(  # noqa: PLR0917 - options
    name: Annotated[str, typer.Argument(metavar="NAME", help="The username.")],
    role: RoleOption,
    first_name: Annotated[str, typer.Option(help="At most 150 characters.")] = "",
    last_name: Annotated[str, typer.Option(help="At most 150 characters.")] = "",
    service: Annotated[
        bool,
        typer.Option(
            "--service", help="An operator without a password; prints its key, once."
        ),
    ] = False,
    scope: ScopeOption = None,
    expires: ExpiresOption = None,
    data_dir: DataDirOption = None,
) -> int:
    """Make a user of any role; the password comes from standard input."""
    import asyncio

    from cabrank.operate import service_accounts, users

    if service:
        names = first_name or last_name
        service_accounts.check(role, scope, has_names=bool(names))
        made = service_accounts.add(name, scope, expires, data_dir)
        user, key = asyncio.run(made)
        print(f"{user.role} {user.username} has the id {user.id}", file=sys.stderr)
        print(key)
        return 0
    service_accounts.check_person(scope, expires)
    password = users.read_password()
    user = asyncio.run(
        users.add(
            username=name,
            password=password,
            role=role,
            first_name=first_name,
            last_name=last_name,
            data_dir=data_dir,
        )
    )
    print(f"{user.role} {user.username} has the id {user.id}")
    return 0


@app.command("keys")
def keys(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Of this id or username only."),
    ] = None,
    data_dir: DataDirOption = None,
) -> int:
    """List the keys of service accounts, the oldest first."""
    import asyncio

    from cabrank.operate import service_accounts

    for line in asyncio.run(service_accounts.listing(name, data_dir)):
        print(line)
    return 0


@app.command("add-key")
def add_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A service account's id or username.")
    ],
    scope: ScopeOption = None,
    expires: ExpiresOption = None,
    data_dir: DataDirOption = None,
) -> int:
    """Make one more key of a service account, and print it, once."""
    import asyncio

    from cabrank.operate import service_accounts

    print(asyncio.run(service_accounts.add_key(name, scope, expires, data_dir)))
    return 0


@app.command("revoke")
def revoke(
    who: Annotated[
        str,
        typer.Argument(metavar="USER|KEY", help="An id, a username, or a key's id."),
    ],
    data_dir: DataDirOption = None,
) -> int:
    """End a user's sessions and keys, or one key, at once everywhere."""
    import asyncio

    from cabrank.operate import service_accounts

    print(asyncio.run(service_accounts.end(who, data_dir)))
    return 0


@app.command("export")
def export(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    data_dir: DataDirOption = None,
) -> int:
    """Print all that is stored about a user, as JSON."""
    import asyncio

    from cabrank.operate import personal

    asyncio.run(personal.export(user, data_dir))
    return 0


@app.command("erase")
def erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="An id or a username.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    data_dir: DataDirOption = None,
) -> int:
    """Erase a user for good: names, messages, places, sessions; trips stay."""
    import asyncio

    from cabrank.operate import personal

    personal.confirm(user, yes=yes)
    print(asyncio.run(personal.erase(user, data_dir)))
    return 0


def tokens(
    role: RoleOption,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many users.")],
    prefix: Annotated[str, typer.Option(help="What their usernames begin with.")] = "",
    region: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated: as many of each. None: CABRANK_REGION's."),
    ] = None,
    data_dir: DataDirOption = None,
) -> int:
    """Make users for load tests; a line of JSON each, with a token for 24 h."""
    import asyncio

    from cabrank.operate import users

    asyncio.run(
        users.print_tokens(role, count, prefix or role.value, region or [], data_dir)
    )
    return 0


def audit(
    *,
    user: Annotated[
        str | None, typer.Option(help="Of this id or username only.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Of this kind only, such as log_in.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="An instant, or an age: 90m, 12h, 7d.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The newest so many.")
    ] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON each.")
    ] = False,
    data_dir: DataDirOption = None,
) -> int:
    """Show log-ins, refusals and what operators did, oldest first."""
    import asyncio

    from cabrank.operate import audit_log as auditing

    asyncio.run(
        auditing.show(
            data_dir,
            user=user,
            action=action,
            since=since,
            limit=limit,
            as_json=as_json,
        )
    )
    return 0
