"""Webhooks: what operators say of them, what is delivered, and what the service that
delivers asks of persistence.

Subjects: `webhooks.<operation>` (gateways and operators), `deliveries.<operation>` (the
webhooks service alone). Every answer is a `Result` (schemas/accounts.py).
"""

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.accounts import PAGE_DEFAULT, PAGE_MAX
from schemas.events import TripEventType
from schemas.forms import NO_NUL

TYPES: tuple[str, ...] = (
    *get_args(TripEventType),
    "offer.made",
    "offer.ended",
    "driver.online",
    "driver.offline",
    "chat.message",
)
"""What can be delivered, PROTOCOL.md section 8."""
TEST = "webhook.test"
"""Of `cabrank webhooks test`; no pattern asks for it."""
ALL = "*"
_FAMILIES = frozenset(f"{one.partition('.')[0]}.*" for one in TYPES)

URL_CHARS_MAX = 2_048
"""What browsers, proxies and servers take."""
PATTERNS_MAX = 32
"""Twice as many as there are types."""
DESCRIPTION_CHARS_MAX = 256
WEBHOOKS_MAX = 64
"""Of the whole system: each event is a row for each that wants it."""
WEBHOOKS_OF_OPERATOR_MAX = 16
WAITING_MAX = 50_000
"""Deliveries that may wait for one endpoint; what comes then is dead at once, and can
be replayed."""
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""The same in bytes of bodies: all endpoints of a system, 4 GiB."""
ERROR_CHARS_MAX = 200
SEQ_MAX = 2**63 - 1
"""A database's integer holds no greater one."""
HOLD_MS = 5 * 60_000
"""So long a delivery that fails holds back later ones of its trip."""
OLD_SECRET_MS = 86_400_000
"""So long the secret before signs as well."""
STORE_BYTES_MAX = 256 * 1024
"""Of the bodies of one `Store`, and of one `Claimed`: a quarter of a NATS message."""
STORE_EVENTS_MAX = 500

DeliveryStatus = Literal["waiting", "taken", "dead"]


def is_pattern(text: str) -> bool:
    """Whether it is a type, all of a kind (`trip.*`), or all (`*`)."""
    return text == ALL or text in _FAMILIES or text in TYPES


def is_wanted(type_: str, patterns: Iterable[str]) -> bool:
    family = f"{type_.partition('.')[0]}.*"
    return any(one in {ALL, family, type_} for one in patterns)


def message_id(ledger: str, seq: int) -> str:
    """`webhook-id`: the event's own, on every try and every replay."""
    return f"msg_{ledger}_{seq}"


def place_of(message: str) -> tuple[str, int] | None:
    """The inverse: (ledger, seq); None: no message has that id."""
    head, _, seq = message.rpartition("_")
    if not head.startswith("msg_") or not (seq.isascii() and seq.isdecimal()):
        return None
    number = int(seq[:20])
    return (head.removeprefix("msg_"), number) if number <= SEQ_MAX else None


# ---- what operators say ------------------------------------------------------

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=URL_CHARS_MAX,
        pattern=NO_NUL,
        description="http or https; where deliveries are sent by POST",
    ),
]
Pattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="a type, such as `offer.made`, or all of a kind, `trip.*`",
    ),
]
Patterns = Annotated[list[Pattern], Meta(min_length=1, max_length=PATTERNS_MAX)]
Description = Annotated[
    str,
    Meta(max_length=DESCRIPTION_CHARS_MAX, pattern=NO_NUL, description="for people"),
]


class WebhookBody(Struct):
    """A new webhook."""

    url: Url
    events: Patterns
    description: Description | None = None


class WebhookPatch(Struct):
    """What is to be another; the rest stays."""

    url: Url | UnsetType = UNSET
    events: Patterns | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class ReplayBody(Struct):
    """From when on."""

    since: Annotated[
        int,
        Meta(
            ge=0,
            le=SEQ_MAX,
            description="a `seq`: what happened after it is delivered again",
        ),
    ]
    region: str | None = None
    """Whose `seq` that is; None: of all regions, each by its own count."""


class Webhook(Struct, frozen=True):
    """As it is. `ended`: why it is active no more, where its endpoint ended it."""

    id: str
    url: str
    events: list[str]
    description: str | None
    active: bool
    ended: str | None
    created: str
    updated: str


class MadeWebhook(Webhook, frozen=True):
    """The same with its secret, which is told once."""

    secret: str


class NewSecret(Struct, frozen=True):
    """Told once."""

    secret: str
    old_until: str
    """Until when the secret before signs as well."""


class DeliveryTold(Struct, frozen=True):
    """`webhook_id`: the header's. `at`: when it happened, RFC 3339."""

    webhook_id: str
    type: str
    trip: str | None
    status: DeliveryStatus
    attempts: int
    at: str
    error: str | None


# ---- webhooks.<operation> ----------------------------------------------------


class ListWebhooks(Struct):
    """`webhooks.list` → list[Webhook], the oldest first."""


class GetWebhook(Struct):
    """`webhooks.get` → Webhook; `webhooks.test` → DeliveryTold of what is tried now. Of
    all that name a webhook: 404 `invalid_data` where there is none.
    """

    webhook: str


class AddWebhook(WebhookBody, kw_only=True):
    """`webhooks.add` → MadeWebhook; `invalid_data`; `overloaded` (409) where there are
    as many as may be.
    """

    by: str
    address: str = ""


class ChangeWebhook(WebhookPatch, kw_only=True):
    """`webhooks.change` → Webhook."""

    webhook: str
    by: str
    address: str = ""


class RemoveWebhook(Struct):
    """`webhooks.remove` → null; `webhooks.secret` → NewSecret."""

    webhook: str
    by: str
    address: str = ""


class Replay(Struct):
    """`webhooks.replay` → null."""

    webhook: str
    by: str
    since: Annotated[int, Meta(ge=0, le=SEQ_MAX)]
    region: str | None = None
    address: str = ""


class ListDeliveries(Struct):
    """`webhooks.deliveries` → list[DeliveryTold], newest first, before the `webhook-id`
    `before`.
    """

    webhook: str
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    before: str | None = None


# ---- deliveries.<operation> --------------------------------------------------


class LedgerAt(Struct, frozen=True):
    region: str
    ledger: str
    """Its id."""
    first: int
    """Its first record."""


class Plan(Struct):
    """`deliveries.plan` → Planned. `ledgers`: those this worker could read; it is to
    ask again within `READER_LEASE_MS`, or others read them. `leaving`: it reads none
    any more.
    """

    worker: str
    ledgers: list[LedgerAt] = []
    leaving: bool = False


READER_LEASE_MS = 6_000


class Hook(Struct, frozen=True):
    """What a try needs. `secrets`: all sign."""

    id: str
    url: str
    secrets: list[str]


class Reading(Struct, frozen=True):
    """This worker is the one that reads that ledger, after event `seq`."""

    region: str
    ledger: str
    seq: int


class Replaying(Struct, frozen=True):
    """Events after `seq` up to `until` are to be stored again for one webhook."""

    webhook: str
    region: str
    ledger: str
    seq: int
    until: int


class Planned(Struct, frozen=True):
    """`types`: what any webhook wants."""

    hooks: list[Hook]
    types: list[str]
    reading: list[Reading]
    replays: list[Replaying]
    waiting: dict[str, int] = {}
    """Webhook → deliveries that wait."""


class Happened(Struct, frozen=True):
    """One event as it is delivered."""

    seq: int
    type: str
    at_ms: int
    trip: str | None
    line: str
    """What it must stay in order with: its trip, driver or room."""
    people: tuple[str, ...]
    """Ids of those it is about."""
    body: str


class Store(Struct, frozen=True):
    """`deliveries.store` → null: events after `after` up to `upto` are what `events`
    says, of these `types`. `wrong_status`: the position isn't `after` (somebody else
    reads), or some webhook wants more types. `replay`: for that webhook alone, and its
    position is the replay's.
    """

    worker: str
    region: str
    ledger: str
    after: int
    upto: int
    types: list[str]
    events: list[Happened]
    replay: str | None = None


LINE_LEASE_MS = 25_000
"""A claim: 5 s of tries one after another, 15 s of the last, and to tell of it."""


class Claim(Struct, frozen=True):
    """`deliveries.claim` → Claimed. `room`: webhook → how many lines more this worker
    takes.
    """

    room: dict[str, int]


class Waiting(Struct, frozen=True):
    """One delivery to be tried. `holds`: if it fails, no later one of its line goes."""

    ledger: str
    seq: int
    type: str
    attempts: int
    holds: bool
    body: str


class Line(Struct, frozen=True):
    """Deliveries to be tried one after another. `lease`: to be told when it is let go
    of; it ends by itself after `LINE_LEASE_MS`.
    """

    webhook: str
    line: str
    lease: int
    deliveries: list[Waiting]


class Claimed(Struct, frozen=True):
    """`more`: whether more may be due already."""

    lines: list[Line]
    more: bool


class Outcome(Struct, frozen=True):
    """What a try came to. `again_ms`: of `waiting`: from now until the next."""

    webhook: str
    ledger: str
    seq: int
    status: DeliveryStatus
    attempts: int
    again_ms: int = 0
    error: str | None = None


class Released(Struct, frozen=True):
    webhook: str
    line: str
    lease: int


class Settle(Struct, frozen=True):
    """`deliveries.settle` → null. May be repeated. `gone`: webhooks whose endpoint
    answered 410.
    """

    outcomes: list[Outcome]
    lines: list[Released]
    gone: list[str] = []
