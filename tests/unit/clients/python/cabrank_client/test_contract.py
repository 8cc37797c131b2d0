"""The client has words of its own for the contract: they are the server's."""

import ast
import inspect
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from cabrank_client import (
    AsyncHttpClient,
    Client,
    HttpClient,
    commands,
    errors,
    policy,
    shapes,
)
from cabrank_client.calls import Call
from cabrank_client.follow import ENDED, TOLD
from msgspec import UNSET
from msgspec.structs import fields

from gateway.http.routes import drivers, regions
from schemas import (
    accounts,
    closes,
    explanations,
    frame_shapes,
    frame_types,
    frames,
    rooms,
    trips,
    watching,
    webhooks,
)
from schemas.accounts import Tokens
from schemas.refusals import Code

ROOT = Path(__file__).parents[5]
HOME = ROOT / "clients" / "python"
MODULES = sorted((HOME / "cabrank_client").glob("*.py"))
HELPERS = {"_given", "_said", "rfc3339"}
OLD_SHAPES = {"create.trip", "update.trip"}
SAMPLE = "0192f0c4-0000-7000-8000-000000000001"


def test_there_is_one_class_a_refusal_and_no_other() -> None:
    assert set(errors.BY_CODE) == {code.value for code in Code}
    retryable = {code for code, kind in errors.BY_CODE.items() if kind.RETRYABLE}
    assert retryable == {code.value for code in Code if code.is_retryable}
    names = {code: kind.__name__.lower() for code, kind in errors.BY_CODE.items()}
    assert names == {code: code.replace("_", "") for code in names}


def test_a_code_of_a_later_server_is_told_as_it_is() -> None:
    error = errors.refusal("too_rainy", "It rains.", retryable=True)
    assert type(error) is errors.Refused
    assert (error.code, error.retryable, str(error)) == ("too_rainy", True, "It rains.")


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (shapes.User, trips.User),
        (shapes.Person, trips.Person),
        (shapes.Position, trips.Position),
        (shapes.Trip, trips.Trip),
        (shapes.OpenTrip, trips.OpenTrip),
        (shapes.RiderBrief, trips.RiderBrief),
        (shapes.Offer, frames.Offered),
        (shapes.OfferEnded, frames.OfferEnded),
        (shapes.DriverState, frames.DriverState),
        (shapes.Moved, frames.MovedData),
        (shapes.Welcome, frames.WelcomeData),
        (shapes.Update, watching.Update),
        (shapes.Figures, watching.Figures),
        (shapes.Message, rooms.MessageData),
        (shapes.Joined, frame_shapes.Joined),
        (shapes.Tokens, Tokens),
        (shapes.Webhook, webhooks.Webhook),
        (shapes.MadeWebhook, webhooks.MadeWebhook),
        (shapes.WebhookSecret, webhooks.NewSecret),
        (shapes.Delivery, webhooks.DeliveryTold),
        (shapes.Place, accounts.Place),
        (shapes.AuditRow, accounts.AuditRow),
        (shapes.UserSeen, accounts.UserTold),
        (shapes.LogIn, accounts.SessionTold),
        (shapes.RegionNow, regions.RegionTold),
        (shapes.DriverNow, drivers.DriverTold),
        (shapes.Matching, explanations.Explanation),
        (shapes.Fix, frames.LocationData),
    ],
)
def test_a_shape_has_the_server_s_fields(mine: Any, theirs: Any) -> None:
    there = {each.name: each.default for each in fields(theirs)}
    assert there.keys() <= mine.__required_keys__ | mine.__optional_keys__
    sure = {name for name in there if there[name] is not UNSET}
    assert mine.__required_keys__ <= sure


def test_every_status_and_every_end_of_a_trip_is_known() -> None:
    assert {status.value for status in trips.Status} <= {*get_args(shapes.Status)}
    assert {status.value for status in trips.TERMINAL} == ENDED
    trip_s = {
        frame.type for frame in frame_types.SERVER if frame.type.startswith("trip.")
    }
    others = {"trip.taken", "trip.offered", "trip.offer_ended"}
    assert trip_s - others <= TOLD


def test_every_frame_of_a_client_can_be_sent_by_name() -> None:
    functions = inspect.getmembers(commands, inspect.isfunction)
    makers = [
        make
        for name, make in functions
        if make.__module__ == commands.__name__ and name not in HELPERS
    ]
    names = {made(make).type for make in makers}
    told = {frame.type for frame in frame_types.CLIENT} - OLD_SHAPES
    by_itself = {"session.login", "session.refresh", "driver.location"}
    assert told - by_itself <= names


BY_HAND = {"send", "close", "token", "all_trips"}


def made(make: Any) -> Any:
    """What it makes of a sample for each argument that must be given."""
    needed = [
        each
        for each in inspect.signature(make).parameters.values()
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    samples = {"role": "rider", "data": {}, "events": ["*"], "tags": [], "since": 0}
    return make(*(samples.get(each.name, SAMPLE) for each in needed))


def calls_of(client: type) -> dict[str, Call[Any]]:
    """What each of its methods sends, by the methods' names."""
    seen: list[Call[Any]] = []

    class Recorded(client):  # type: ignore[misc]
        def send(self, call: Call[Any]) -> Any:
            seen.append(call)
            return []

    found = {}
    with Recorded("http://h") as web:
        for name, method in inspect.getmembers(web, inspect.ismethod):
            if name not in BY_HAND and name[0] != "_":
                made(method)
                found[name] = seen.pop()
    return found


def test_both_http_clients_have_the_same_methods() -> None:
    def methods(client: type) -> set[str]:
        return {name for name in vars(client) if name[0] != "_"}

    assert methods(HttpClient) - {"close"} == methods(AsyncHttpClient) - {"aclose"}
    assert len(calls_of(HttpClient)) > 30


def test_what_has_no_key_and_changes_something_is_never_sent_twice() -> None:
    once = {name for name, call in calls_of(HttpClient).items() if not call.repeats}
    moves = ("accept", "decline", "arrive", "begin", "complete", "release", "cancel")
    assert once == {
        *(f"{move}_trip" for move in (*moves, "assign", "reschedule")),
        *("sign_up", "log_out", "notify"),
        *("add_webhook", "change_webhook", "remove_webhook"),
        *("replay_webhook", "new_webhook_secret"),
    }


def test_it_imports_nothing_but_what_it_names_as_its_dependencies() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    named = {text.partition(">")[0] for text in project["dependencies"]}
    assert len(MODULES) > 10
    imported = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module).partition(".")[0])
    outside = imported - sys.stdlib_module_names
    assert outside == {"cabrank_client"} | named


def test_the_closes_that_are_meant_are_the_server_s() -> None:
    assert closes.Close.TOKEN_EXPIRED == policy.EXPIRED
    ends = {code for code in closes.Close if not policy.comes_back(code)}
    assert ends == {
        closes.Close.PROTOCOL_ABUSE,
        closes.Close.NOT_AUTHENTICATED,
        closes.Close.TOKEN_EXPIRED,
        closes.Close.SESSION_REVOKED,
    }
    assert frames.FRAME_BYTES_MAX == policy.FRAME_BYTES_MAX


def test_a_session_is_documented_where_an_editor_shows_it() -> None:
    for name in ("request_trip", "accept_trip", "follow", "drive", "room", "events"):
        assert getattr(Client, name).__doc__
