"""The JetStream streams as data; who needs one makes sure of it as described here."""

from collections.abc import Mapping

from msgspec import Struct

from schemas import claims, observations, subjects

LEDGER_PREFIX = "LEDGER_"
REVOCATIONS = "REVOCATIONS"
ERASURES = "ERASURES"
MATCHES = "MATCHES"
SNAPSHOTS = "SNAPSHOTS"
"""The object store: one object a region, named by it."""
SNAPSHOTS_STREAM = "OBJ_SNAPSHOTS"
"""The stream it is kept in (ADR-20)."""
WRITER_DURABLE = "persistence"
"""The durable pull consumer that all persistence workers share, on each ledger."""
WEBHOOKS_READ = "cabrank.webhooks_read"
"""In that consumer's metadata: the last record that webhooks have read, where there
are any. Persistence says it each minute."""
ACK_WAIT_S = 5


class StreamSpec(Struct, frozen=True):
    """File storage, limits retention, direct reads allowed."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int = -1
    max_age_s: float = 0
    """0: kept until purged."""
    discards_old: bool = False
    """Whether the oldest go for want of room; else what is new is refused."""


def ledger(region: str, max_bytes: int = -1) -> StreamSpec:
    """One stream a region; its own `metadata["cabrank.ledger"]` holds the ledger's id
    (32 hex digits), given by whoever creates it.
    """
    name = LEDGER_PREFIX + subjects.token(region)
    return StreamSpec(name, (subjects.ledger(region),), max_bytes)


LEDGER_ID = "cabrank.ledger"


def kept_of(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """What of a consumer's metadata is ours."""
    said = (metadata or {}).get(WEBHOOKS_READ)
    return {} if said is None else {WEBHOOKS_READ: said}


def webhooks_read(metadata: Mapping[str, str] | None) -> int | None:
    """The last record that webhooks have read; None: nobody reads."""
    said = kept_of(metadata).get(WEBHOOKS_READ)
    return int(said) if said is not None and said.isdecimal() else None


def region_of_ledger(name: str) -> str | None:
    """The region of a ledger stream's name, None for any other stream."""
    return name[len(LEDGER_PREFIX) :] if name.startswith(LEDGER_PREFIX) else None


def revocations(access_ttl_s: float) -> StreamSpec:
    """Kept as long as the longest access token lives: those of `cabrank tokens` too."""
    longest_s = max(access_ttl_s, claims.LOAD_TEST_TTL_S)
    return StreamSpec(REVOCATIONS, (subjects.ALL_REVOKED,), max_age_s=longest_s)


def erasures() -> StreamSpec:
    """Kept for ever: who is in it stays out of any database that is restored, or made
    anew from a ledger. A message a user, on a subject of their own, holding an
    `Erasure`.
    """
    return StreamSpec(ERASURES, (subjects.ALL_ERASED,))


def matches(kept_s: float) -> StreamSpec:
    """What leaders saw of their matching: a buffer on its way to the database, which
    nobody waits for and nothing rests on.
    """
    return StreamSpec(
        MATCHES,
        (subjects.ALL_MATCHES,),
        max_bytes=observations.MATCHES_BYTES_MAX,
        max_age_s=kept_s,
        discards_old=True,
    )
