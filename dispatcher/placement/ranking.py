"""Pure: which dispatcher leads a region and which one stands by, from who is there.

Rendezvous hashing (Thaler and Ravishankar, 1998): each pair of region and dispatcher
has a score that nobody else's coming or going changes, so only the regions of who came
or went move. All dispatchers compute the same from the same heartbeats; where these
differ for a moment the ledger's fence still lets only one lead.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from msgspec import Struct

from schemas.members import Member

FOLLOWERS = 2
"""A leader and a warm standby."""


class Duty(Struct, frozen=True):
    """What one dispatcher has to do for one region."""

    begins: bool
    """Follow the ledger, if it does not already: it is the leader-to-be or standby."""
    stays: bool
    """Go on following, if it does."""
    heir: str | None
    """Who is to lead in its place and is ready for it; None: nobody else."""


def ranking(region: str, ids: Iterable[str]) -> list[str]:
    """The ids, the one that is to lead the region first, its standby second."""
    return sorted(ids, key=lambda one: _score(region, one), reverse=True)


def _score(region: str, member: str) -> tuple[bytes, str]:
    return blake2b(f"{region} {member}".encode(), digest_size=8).digest(), member


def duty(region: str, me: str, members: Mapping[str, Member]) -> Duty:
    """`members`: all that are there by their id, this one included.

    Who is no longer among the first two stays until both of these are ready, so that a
    region is never without somebody who knows its ledger.
    """
    ranked = ranking(
        region,
        (m.id for m in members.values() if region in m.serves and not m.leaving),
    )
    ready = [one for one in ranked if region in members[one].ready]
    if me not in ranked:
        return Duty(False, False, next(iter(ready), None))
    chosen = ranked[:FOLLOWERS]
    is_chosen = me in chosen
    heir = ranked[0] if ranked[0] != me and ranked[0] in ready else None
    return Duty(is_chosen, is_chosen or not set(chosen) <= set(ready), heir)
