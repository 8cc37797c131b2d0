"""Operators' calls about users. Pure."""

from collections.abc import Mapping
from typing import Any

from cabrank_client.calls import Call, part, query_of
from cabrank_client.shapes import Role, User, UserSeen


def users(
    *, name: str | None = None, role: Role | None = None, limit: int | None = None
) -> Call[list[User]]:
    """Operators: who there is, by name; `name`: how usernames, first or
    last names begin, or an id.
    """
    query = query_of(name=name, role=role, limit=limit)
    return Call("GET", "/api/users", query=query, repeats=True)


def user(user: str) -> Call[UserSeen]:
    """Operators: one user, and where they are logged in."""
    return Call("GET", f"/api/users/{part(user)}", repeats=True)


def revoke(user: str) -> Call[None]:
    """Operators: end all sessions of a user."""
    return Call("POST", f"/api/users/{part(user)}/revoke", repeats=True)


def notify(user: str, data: Mapping[str, Any]) -> Call[Any]:
    """Operators: tell all live sessions of a user."""
    return Call("POST", f"/api/users/{part(user)}/notices", {"data": data})
