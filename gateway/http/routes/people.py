"""Who there is, for operators. What is told is persistence's to say (`accounts.…`)."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response

from gateway.http.answers import NO_STORE, passed_on
from gateway.http.requests import (
    BEARER,
    REFUSED,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.problems import Refused, data_of, specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import (
    PAGE_DEFAULT,
    PAGE_MAX,
    ListUsers,
    SeeUser,
    UserTold,
)
from schemas.names import CHARS_MAX
from schemas.refusals import Code
from schemas.trips import Role, User

_USERS = subjects.accounts("users")
_USER = subjects.accounts("user")
_ASKED = (*REFUSED, Code.OVERLOADED, Code.UNAVAILABLE)


@get(
    "/api/users",
    needs=scopes.SEE,
    response_description="users, by name",
    responses=specs(Code.INVALID_DATA, Code.WRONG_ROLE, *_ASKED),
    guards=[signed_in, operators_only],
    security=BEARER,
)
async def users(
    asker: NamedDependency[Questions],
    name: Annotated[
        str,
        QueryParameter(
            max_length=CHARS_MAX,
            description="how their usernames, first or last names begin, or an id",
        ),
    ] = "",
    role: Annotated[Role | None, QueryParameter(description="only of this one")] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="users at most")
    ] = PAGE_DEFAULT,
) -> Response[list[User]]:
    """Who there is; operators only. Those whose usernames begin so, then those whose
    first or last names do, or both, either way round. Capitals don't count, nor, of
    first and last names, accents.
    """
    found = data_of(await asker.ask(_USERS, ListUsers(name, role, limit)))
    return passed_on(found, headers=NO_STORE)


@get(
    "/api/users/{user_id:str}",
    needs=scopes.SEE,
    response_description="the user, and where they are logged in",
    responses=specs(Code.WRONG_ROLE, *_ASKED, invalid_data=404),
    guards=[signed_in, operators_only],
    security=BEARER,
)
async def user(
    user_id: Annotated[str, PathParameter(description="the user's id, a UUID")],
    asker: NamedDependency[Questions],
) -> Response[UserTold]:
    """One user with the newest of their sessions; operators only. 404: no such user."""
    known = uuid_or_none(user_id)
    if known is None:
        raise Refused(Code.INVALID_DATA, "there is no such user", 404)
    found = data_of(await asker.ask(_USER, SeeUser(known)))
    return passed_on(found, headers=NO_STORE)


HANDLERS = [users, user]
"""A part of accounts' routes: one router has all methods of a path."""
