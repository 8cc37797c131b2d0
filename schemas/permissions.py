"""Who may say and hear what on NATS: a table, turned into the server's configuration by
`cabrank nats-auth`. Every subject in it comes from schemas/subjects.py.

Nothing is answered by `allow_responses`: who asks chooses where the answer goes, so a
gateway could have persistence write its answer into the ledger. A service answers only
where answers of its kind go.
"""

from enum import StrEnum

from msgspec import Struct

from schemas import streams, subjects


class Service(StrEnum):
    """What a NATS connection is used as. OPERATOR: `cabrank verify`, `doctor` and the
    like, and people with the `nats` command. OBSERVER: other people's programs, which
    follow what happens (docs/STREAM.md).
    """

    GATEWAY = "gateway"
    DISPATCHER = "dispatcher"
    PERSISTENCE = "persistence"
    WEBHOOKS = "webhooks"
    OPERATOR = "operator"
    OBSERVER = "observer"


class Permissions(Struct, frozen=True):
    """Subjects, with wildcards; what isn't allowed is refused, and `deny` wins."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    deny_publish: tuple[str, ...] = ()


def inbox_prefix(service: Service) -> str:
    """Of the inboxes a service makes up: no other may listen to them."""
    return f"_INBOX_{service}"


_API = "$JS.API"
_SNAPSHOTS = streams.SNAPSHOTS_STREAM
_OF_DISPATCHERS = (
    subjects.DISPATCHERS,
    subjects.ALL_HANDOVERS,
    subjects.ALL_PINGS,
)
_LIVE = (
    subjects.ALL_USERS,
    subjects.ALL_DRIVERS,
    subjects.ALL_ROOMS,
    subjects.ALL_LEADERS,
)
_QUESTIONS = (subjects.ALL_ACCOUNTS, subjects.ALL_HISTORY, subjects.ALL_WEBHOOKS)
_OF_GATEWAYS = (
    subjects.ALL_COMMANDS,
    subjects.ALL_LOCATIONS,
    subjects.ALL_PRESENCE,
)
_WRITER = streams.WRITER_DURABLE


def _inbox(service: Service) -> str:
    return f"{inbox_prefix(service)}.>"


def _not_ledgers(*asked: str) -> tuple[str, ...]:
    """These requests of all streams that are no ledgers, which a wildcard can't leave
    out.
    """
    others = (
        streams.REVOCATIONS,
        streams.ERASURES,
        streams.MATCHES,
        streams.SNAPSHOTS_STREAM,
    )
    return tuple(
        f"{_API}.{what}.{stream}{rest}"
        for what in asked
        for stream in others
        for rest in ("", ".>")
    )


PERMISSIONS = {
    Service.GATEWAY: Permissions(
        publish=(
            *_OF_GATEWAYS,
            *_QUESTIONS,
            subjects.ALL_NOTICES,
            # Revocations, read only: who may create a stream may have it listen to and
            # repeat anything.
            f"{_API}.STREAM.INFO.{streams.REVOCATIONS}",
            f"{_API}.CONSUMER.CREATE.{streams.REVOCATIONS}",
        ),
        subscribe=(
            *_LIVE,
            subjects.ALL_REPLIES,
            subjects.ALL_RESULTS,
            subjects.ALL_NOTICES,
            _inbox(Service.GATEWAY),
        ),
    ),
    Service.DISPATCHER: Permissions(
        publish=(
            *_LIVE,
            subjects.ALL_LEDGERS,
            subjects.ALL_MATCHES,
            subjects.ALL_REPLIES,
            subjects.ALL_TRIPS,
            *_OF_DISPATCHERS,
            # Who pings is answered: another dispatcher.
            _inbox(Service.DISPATCHER),
            # A ledger's name is the region's, and a wildcard is a whole token: all
            # streams, but for the one below.
            f"{_API}.STREAM.INFO.*",
            f"{_API}.STREAM.CREATE.*",
            f"{_API}.STREAM.UPDATE.*",
            f"{_API}.STREAM.PURGE.*",
            f"{_API}.STREAM.MSG.GET.*",
            f"{_API}.DIRECT.GET.>",
            f"{_API}.CONSUMER.INFO.*.{_WRITER}",
            # The object store of snapshots, through an ordered consumer, whose stream
            # nats-py finds by its subject.
            f"{_API}.STREAM.NAMES",
            f"{_API}.CONSUMER.CREATE.{_SNAPSHOTS}",
            f"{_API}.CONSUMER.CREATE.{_SNAPSHOTS}.>",
            f"{_API}.CONSUMER.INFO.{_SNAPSHOTS}.*",
            f"{_API}.CONSUMER.DELETE.{_SNAPSHOTS}.*",
            f"$O.{streams.SNAPSHOTS}.>",
            f"$JS.FC.{_SNAPSHOTS}.>",
        ),
        deny_publish=(
            f"{_API}.STREAM.*.{streams.REVOCATIONS}",
            f"{_API}.STREAM.*.*.{streams.REVOCATIONS}",
            f"{_API}.DIRECT.GET.{streams.REVOCATIONS}",
            f"{_API}.DIRECT.GET.{streams.REVOCATIONS}.>",
            f"{_API}.STREAM.*.{streams.ERASURES}",
            f"{_API}.STREAM.*.*.{streams.ERASURES}",
            f"{_API}.DIRECT.GET.{streams.ERASURES}",
            f"{_API}.DIRECT.GET.{streams.ERASURES}.>",
        ),
        subscribe=(
            *_OF_GATEWAYS,
            *_OF_DISPATCHERS,
            subjects.ALL_LEADERS,
            _inbox(Service.DISPATCHER),
        ),
    ),
    Service.PERSISTENCE: Permissions(
        publish=(
            subjects.ALL_RESULTS,
            subjects.ALL_DELIVERY_RESULTS,
            subjects.ALL_REVOKED,
            f"{_API}.STREAM.NAMES",
            # How far each ledger is (its name is the region's: no narrower wildcard),
            # and whether the streams of its own are there.
            f"{_API}.STREAM.INFO.*",
            f"{_API}.STREAM.CREATE.{streams.REVOCATIONS}",
            f"{_API}.STREAM.UPDATE.{streams.REVOCATIONS}",
            subjects.ALL_ERASED,
            f"{_API}.STREAM.CREATE.{streams.ERASURES}",
            f"{_API}.STREAM.UPDATE.{streams.ERASURES}",
            f"{_API}.DIRECT.GET.{streams.ERASURES}.>",
            f"{_API}.STREAM.CREATE.{streams.MATCHES}",
            f"{_API}.STREAM.UPDATE.{streams.MATCHES}",
            # Its one consumer, on every ledger and on MATCHES.
            f"{_API}.CONSUMER.DURABLE.CREATE.*.{_WRITER}",
            f"{_API}.CONSUMER.CREATE.*.{_WRITER}",
            f"{_API}.CONSUMER.INFO.*.{_WRITER}",
            f"{_API}.CONSUMER.MSG.NEXT.*.{_WRITER}",
            f"$JS.ACK.*.{_WRITER}.>",
        ),
        subscribe=(
            *_QUESTIONS,
            subjects.ALL_DELIVERIES,
            subjects.ALL_OPERATIONS,
            _inbox(Service.PERSISTENCE),
        ),
    ),
    # Reads ledgers and asks persistence. It speaks to strangers, so it may write and
    # make nothing: no consumer either.
    Service.WEBHOOKS: Permissions(
        publish=(
            subjects.ALL_DELIVERIES,
            subjects.history("names"),
            f"{_API}.STREAM.NAMES",
            f"{_API}.STREAM.INFO.*",
            f"{_API}.DIRECT.GET.*",
        ),
        deny_publish=_not_ledgers("STREAM.INFO", "DIRECT.GET"),
        subscribe=(
            # Only to be woken: what it reads is what the stream holds.
            subjects.ALL_LEDGERS,
            subjects.ALL_DELIVERY_RESULTS,
            _inbox(Service.WEBHOOKS),
        ),
    ),
    Service.OBSERVER: Permissions(
        publish=(
            f"{_API}.INFO",
            f"{_API}.STREAM.NAMES",
            f"{_API}.STREAM.LIST",
            f"{_API}.STREAM.INFO.*",
            f"{_API}.DIRECT.GET.*",
            f"{_API}.DIRECT.GET.*.>",
            # A consumer of its own, of any name but one, with or without a filter.
            f"{_API}.CONSUMER.CREATE.*.*",
            f"{_API}.CONSUMER.CREATE.*.*.>",
            f"{_API}.CONSUMER.DURABLE.CREATE.*.*",
            f"{_API}.CONSUMER.INFO.*.*",
            f"{_API}.CONSUMER.MSG.NEXT.*.*",
            f"{_API}.CONSUMER.DELETE.*.*",
            "$JS.ACK.*.*.>",
        ),
        deny_publish=(
            *_not_ledgers(
                "STREAM.INFO",
                "DIRECT.GET",
                "CONSUMER.CREATE",
                "CONSUMER.DURABLE.CREATE",
                "CONSUMER.INFO",
                "CONSUMER.MSG.NEXT",
                "CONSUMER.DELETE",
            ),
            f"{_API}.CONSUMER.CREATE.*.{_WRITER}",
            f"{_API}.CONSUMER.CREATE.*.{_WRITER}.>",
            f"{_API}.CONSUMER.DURABLE.CREATE.*.{_WRITER}",
            f"{_API}.CONSUMER.MSG.NEXT.*.{_WRITER}",
            f"{_API}.CONSUMER.DELETE.*.{_WRITER}",
            f"$JS.ACK.*.{_WRITER}.>",
        ),
        subscribe=(
            subjects.ALL_TRIPS,
            subjects.ANY_TRIP,
            _inbox(Service.OBSERVER),
        ),
    ),
    Service.OPERATOR: Permissions(
        publish=(
            *_QUESTIONS,
            subjects.ALL_OPERATIONS,
            subjects.ALL_REVOKED,
            subjects.ALL_PINGS,
            f"{_API}.>",
            "$JS.ACK.>",
            "$JS.FC.>",
            "$JS.SNAPSHOT.>",
        ),
        subscribe=(
            *_LIVE,
            *_OF_GATEWAYS,
            subjects.ALL_TRIPS,
            subjects.ALL_RESULTS,
            subjects.ALL_REVOKED,
            subjects.DISPATCHERS,
            _inbox(Service.OPERATOR),
        ),
    ),
}
