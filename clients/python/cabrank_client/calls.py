"""The HTTP API, by name: what is sent, and how the answer is read. Pure.

What a command of the WebSocket does too is made of that command: one rule, two doors.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, Unpack
from urllib.parse import quote

from cabrank_client import commands, policy
from cabrank_client.commands import UNSET, Command, TripOptions, Unset
from cabrank_client.errors import (
    InvalidData,
    RateLimited,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    refusal,
)
from cabrank_client.shapes import (
    AccessToken,
    AuditRow,
    Delivery,
    DriverNow,
    MadeWebhook,
    Matching,
    Message,
    Place,
    Position,
    RegionNow,
    Role,
    Status,
    Tags,
    Tokens,
    Trip,
    User,
    Webhook,
    WebhookSecret,
)

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

OK_MAX = 299
NOT_JSON = object()
TOO_MANY, SERVER_FAULT_MIN = 429, 500


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A request that is answered with a `T_co`. `repeats`: as commands do; `signed`:
    with a token.
    """

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    repeats: bool = False
    signed: bool = True

    def content(self) -> tuple[bytes | None, dict[str, str]]:
        """The body, and all headers but the token.

        Raises:
            InvalidData: it holds what JSON has not.
        """
        if self.json is None:
            return None, dict(self.headers)
        try:
            text = json.dumps(self.json, ensure_ascii=False, allow_nan=False)
            body = text.encode()
        except ValueError as error:
            raise InvalidData(f"the body can't be written: {error}") from None
        return body, {"Content-Type": "application/json", **self.headers}


def read(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """What an answer says.

    Raises:
        Refused: it is a problem.
        UnexpectedAnswer: it is none of the server's.
    """
    if status <= OK_MAX and not body:
        return None
    said = _json(body)
    if status <= OK_MAX and said is not NOT_JSON:
        return said
    after_s = _seconds(headers.get("Retry-After"))
    if isinstance(said, dict) and isinstance(said.get("code"), str):
        message = str(said.get("detail") or said.get("title") or f"status {status}")
        raise refusal(said["code"], message, retry_after_s=after_s)
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        raise _of_oauth(said, status, after_s)
    message = f"the server answered with status {status}"
    if status == TOO_MANY:
        raise RateLimited(message, retry_after_s=after_s)
    if status >= SERVER_FAULT_MIN:
        raise Unavailable(message, retry_after_s=after_s)
    raise UnexpectedAnswer(f"{message}, and not in cabrank's words")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return NOT_JSON


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _of_oauth(said: Mapping[str, Any], status: int, after_s: float | None) -> Refused:
    """RFC 6749 section 5.2, where that is what came."""
    code = {"invalid_client": "bad_credentials", "invalid_grant": "bad_credentials"}
    if status == TOO_MANY or status >= SERVER_FAULT_MIN:
        kind = "rate_limited" if status == TOO_MANY else "unavailable"
    else:
        kind = code.get(said["error"], "invalid_data")
    text = str(said.get("error_description") or said["error"])
    return refusal(kind, text, retry_after_s=after_s)


def query_of(**fields: object) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items() if value is not None}


def part(text: str) -> str:
    """One part of a path, whatever it holds."""
    if text in {"", ".", ".."}:
        raise InvalidData(f"{text!r} is no id")
    return quote(text, safe="")


# ---- who one is --------------------------------------------------------------


def sign_up(
    username: str,
    password: str,
    role: Role,
    *,
    first_name: str = "",
    last_name: str = "",
) -> Call[Tokens]:
    """A new rider or driver, with a first session's tokens."""
    said: dict[str, Any] = {"username": username, "password": password, "role": role}
    said |= {"first_name": first_name, "last_name": last_name}
    return Call("POST", "/api/users", said, signed=False)


def log_in(username: str, password: str) -> Call[Tokens]:
    said = {"username": username, "password": password}
    return Call("POST", "/api/tokens", said, signed=False, repeats=True)


def refresh(token: str) -> Call[Tokens]:
    """Exchange a refresh token for its successor."""
    path = "/api/tokens/refresh"
    return Call("POST", path, {"refresh": token}, signed=False, repeats=True)


def exchange_key(key: str, scopes: Sequence[str] = ()) -> Call[AccessToken]:
    """A service account's key for a token that lives for minutes: for what isn't to
    know the key. The key itself is good as a token, too.
    """
    form = {"grant_type": "client_credentials", "client_secret": key}
    if scopes:
        form["scope"] = " ".join(scopes)
    return Call("POST", "/api/tokens", form=form, signed=False, repeats=True)


def log_out() -> Call[None]:
    """End this session, and its tokens."""
    return Call("DELETE", "/api/tokens")


def me() -> Call[User]:
    return Call("GET", "/api/me", repeats=True)


def regions() -> Call[list[RegionNow]]:
    """Operators: who leads each region, and how far behind others are."""
    return Call("GET", "/api/regions", repeats=True)


# ---- trips -------------------------------------------------------------------


def of_command(command: Command[T]) -> Call[T]:
    """The request that does what a frame does.

    Raises:
        KeyError: none does.
    """
    said = dict(command.data)
    kind, _, verb = command.type.partition(".")
    if command.type == "trip.request":
        # The key is in the body, where it may have any letters; not so in a header.
        return Call("POST", "/api/trips", said, repeats=command.repeats)
    if command.type == "chat.send":
        path = f"/api/rooms/{part(said.pop('room'))}/messages"
        return Call("POST", path, said, repeats=command.repeats)
    if kind != "trip":
        raise KeyError(command.type)
    path = f"/api/trips/{part(said.pop('id'))}"
    if verb == "get":
        return Call("GET", path, repeats=True)
    if verb == "reschedule":
        return Call("PATCH", path, said)
    return Call("POST", f"{path}/{verb}", said)


def over(make: Callable[P, Command[T]]) -> Callable[P, Call[T]]:
    """A command, as a call."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Call[T]:
        return of_command(make(*args, **kwargs))

    return made


def request_trip(
    pick_up_address: str,
    drop_off_address: str,
    *,
    rider: str | None = None,
    **options: Unpack[TripOptions],
) -> Call[Trip]:
    """As `commands.request_trip`. `rider`: operators say for whom, a user's id."""
    call = of_command(
        commands.request_trip(pick_up_address, drop_off_address, **options)
    )
    said = {**(call.json or {})}
    if rider is not None:
        said["rider"] = rider
    return Call("POST", call.path, said, headers=call.headers, repeats=True)


def trips(
    *,
    status: Status | None = None,
    limit: int | None = None,
    before: str | None = None,
    reference: str | None = None,
    rider: str | None = None,
    driver: str | None = None,
) -> Call[list[Trip]]:
    """Own trips (operators: all), newest first; `before`: a trip's id. A page may be
    shorter than its limit; an empty one is the end.
    """
    query = query_of(
        status=status,
        limit=limit,
        before=before,
        reference=reference,
        rider=rider,
        driver=driver,
    )
    return Call("GET", "/api/trips", query=query, repeats=True)


def trip_events(trip: str) -> Call[list[AuditRow]]:
    """All that happened to a trip, oldest first."""
    return Call("GET", f"/api/trips/{part(trip)}/events", repeats=True)


def track(trip: str) -> Call[list[Place]]:
    """Where its driver was, oldest first."""
    return Call("GET", f"/api/trips/{part(trip)}/track", repeats=True)


def matching(trip: str, *, driver: str | None = None) -> Call[Matching]:
    """Operators: why these drivers; `driver`: what was of that one in each round."""
    path = f"/api/trips/{part(trip)}/matching"
    return Call("GET", path, query=query_of(driver=driver), repeats=True)


# ---- drivers -----------------------------------------------------------------


def drivers(
    *, near: Position | None = None, limit: int | None = None
) -> Call[list[DriverNow]]:
    """Operators: who is online or on a trip, nearest first."""
    place = None if near is None else f"{near['lat']},{near['lon']}"
    query = query_of(near=place, limit=limit)
    return Call("GET", "/api/drivers", query=query, repeats=True)


def driver(driver: str) -> Call[DriverNow]:
    return Call("GET", f"/api/drivers/{part(driver)}", repeats=True)


def tag_driver(driver: str, tags: Sequence[str]) -> Call[Tags]:
    """Operators: all that a driver has, at once."""
    path = f"/api/drivers/{part(driver)}/tags"
    return Call("PUT", path, {"tags": list(tags)}, repeats=True)


# ---- rooms -------------------------------------------------------------------


def messages(
    room: str, *, limit: int | None = None, before: int | None = None
) -> Call[list[Message]]:
    """Newest first; `before`: a message's `seq`."""
    path = f"/api/rooms/{part(policy.room_name(room))}/messages"
    return Call("GET", path, query=query_of(limit=limit, before=before), repeats=True)


# ---- webhooks ----------------------------------------------------------------


def webhooks() -> Call[list[Webhook]]:
    return Call("GET", "/api/webhooks", repeats=True)


def add_webhook(
    url: str, events: Sequence[str], *, description: str | None = None
) -> Call[MadeWebhook]:
    """Have events sent to a URL: `trip.*`, `offer.made`, …; its answer alone tells the
    `secret`.
    """
    said: dict[str, Any] = {"url": url, "events": list(events)}
    if description is not None:
        said["description"] = description
    return Call("POST", "/api/webhooks", said)


def webhook(webhook: str) -> Call[Webhook]:
    return Call("GET", f"/api/webhooks/{part(webhook)}", repeats=True)


def change_webhook(
    webhook: str,
    *,
    url: str | Unset = UNSET,
    events: Sequence[str] | Unset = UNSET,
    description: str | Unset | None = UNSET,
    active: bool | Unset = UNSET,
) -> Call[Webhook]:
    """What is left out stays."""
    said = {"url": url, "events": events, "description": description, "active": active}
    given = {name: value for name, value in said.items() if value is not UNSET}
    return Call("PATCH", f"/api/webhooks/{part(webhook)}", given)


def remove_webhook(webhook: str) -> Call[None]:
    return Call("DELETE", f"/api/webhooks/{part(webhook)}")


def deliveries(
    webhook: str, *, limit: int | None = None, before: str | None = None
) -> Call[list[Delivery]]:
    """Newest first; `before`: a `webhook_id`."""
    path = f"/api/webhooks/{part(webhook)}/deliveries"
    return Call("GET", path, query=query_of(limit=limit, before=before), repeats=True)


def replay_webhook(webhook: str, since: int, *, region: str | None = None) -> Call[Any]:
    """Deliver again what happened after that `seq`; with several regions say whose."""
    said: dict[str, Any] = {"since": since}
    if region is not None:
        said["region"] = region
    return Call("POST", f"/api/webhooks/{part(webhook)}/replay", said)


def new_webhook_secret(webhook: str) -> Call[WebhookSecret]:
    """For 24 h the one before signs, too, and those that were replaced since."""
    return Call("POST", f"/api/webhooks/{part(webhook)}/secret")
