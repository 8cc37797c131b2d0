"""Every NATS subject, built and parsed here only.

A token that came from outside is checked here: `*`, `>`, `.` or a space in it is an
attack and never reaches NATS.
"""

import re
from functools import lru_cache

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SubjectError(ValueError):
    """A token that can't be part of a subject."""


@lru_cache(maxsize=16384)  # a trip's and its people's come some twenty times each
def token(text: str) -> str:
    """`text` itself.

    Raises:
        SubjectError: not 1-64 of `A-Z a-z 0-9 _ -`.
    """
    if _TOKEN.fullmatch(text) is None:
        msg = f"{text[:64]!r} is not 1 to 64 letters, digits, '_' or '-'"
        raise SubjectError(msg)
    return text


def is_token(text: str) -> bool:
    try:
        token(text)
    except SubjectError:
        return False
    return True


def commands(region: str) -> str:
    return f"cmd.{token(region)}"


def replies(gateway: str, region: str) -> str:
    """Where a gateway wants a region's answers (and its "no responders")."""
    return f"reply.{token(gateway)}.{token(region)}"


def all_replies(gateway: str) -> str:
    return f"reply.{token(gateway)}.*"


@lru_cache(maxsize=1024)  # comes with each record's answers
def region_of_reply(subject: str) -> str:
    """The region of a `replies` subject."""
    return token(subject.rpartition(".")[2])


def user(region: str, user_id: str) -> str:
    return f"user.{token(region)}.{token(user_id)}"


def notice(region: str, user_id: str) -> str:
    """What the server side tells a user; apart from `user`, which is the leader's, so
    that no gateway need be allowed to write events.
    """
    return f"notice.{token(region)}.{token(user_id)}"


def all_notices(region: str) -> str:
    return f"notice.{token(region)}.*"


def heard(gateway: str, number: int) -> str:
    """Where a gateway asks the others to say how many sessions got one notice. Of
    `notice`'s shape, so that gateways may by permissions made for an older release.
    """
    return f"notice.{token(f'heard-{gateway}')}.{number}"


def user_of_notice(subject: str) -> str:
    """The user of a `notice` subject."""
    return token(subject.rpartition(".")[2])


def watched(region: str) -> str:
    """What operators see of a region (schemas/watching.py): the leader's to gateways.
    Of `user`'s shape, so that both may by permissions made for an older release; a
    user's id is a UUID.
    """
    return f"user.{token(region)}.watched"


def trip(region: str, trip_id: str) -> str:
    return f"trip.{token(region)}.{token(trip_id)}"


def drivers(region: str) -> str:
    return f"drivers.{token(region)}"


def room(region: str, name: str) -> str:
    return f"room.{token(region)}.{token(name)}"


def room_name(subject: str) -> str:
    """The room of a `room` subject."""
    return token(subject.rpartition(".")[2])


def presence(region: str) -> str:
    """Gateways' heartbeats."""
    return f"presence.{token(region)}"


def locations(region: str) -> str:
    return f"loc.{token(region)}"


def leader(region: str) -> str:
    """Announcements."""
    return f"leader.{token(region)}"


def ping(region: str) -> str:
    """A standby's question whether the leader lives; "no responders" says no."""
    return f"ping.{token(region)}"


def handover(region: str) -> str:
    """A leader's word on who is to lead next."""
    return f"handover.{token(region)}"


DISPATCHERS = "dispatchers"
"""Their heartbeats to each other."""


def ledger(region: str) -> str:
    return f"ledger.{token(region)}"


def matches(region: str) -> str:
    """What a leader saw of its matching (schemas/observations.py)."""
    return f"matches.{token(region)}"


def accounts(operation: str) -> str:
    return f"accounts.{token(operation)}"


def history(operation: str) -> str:
    return f"history.{token(operation)}"


def webhooks(operation: str) -> str:
    return f"webhooks.{token(operation)}"


def deliveries(operation: str) -> str:
    """What the webhooks service asks of persistence."""
    return f"deliveries.{token(operation)}"


RESULTS = "result"
"""First token of where gateways and operators want answers."""
DELIVERY_RESULTS = "delivered"
"""The same of the webhooks service: some hold secrets, which no gateway is to hear."""


def result(asker: str, number: int, first: str = RESULTS) -> str:
    """Where one `accounts.…`, `history.…` … question wants its `Result`."""
    return f"{first}.{token(asker)}.{number}"


def all_results(asker: str, first: str = RESULTS) -> str:
    return f"{first}.{token(asker)}.*"


def number_of_result(subject: str) -> int:
    """The number of a `result` subject."""
    return int(subject.rpartition(".")[2])


def revoked(user_id: str) -> str:
    return f"revoked.{token(user_id)}"


# ---- what each of these can be, as one pattern (schemas/permissions.py) --------

ALL_COMMANDS = "cmd.*"
ALL_REPLIES = "reply.*.*"
ALL_USERS = "user.*.*"
ALL_NOTICES = "notice.*.*"
ALL_TRIPS = "trip.*.*"
ANY_TRIP = "trip.>"
"""The same, as people write it."""
ALL_DRIVERS = "drivers.*"
ALL_ROOMS = "room.*.*"
ALL_PRESENCE = "presence.*"
ALL_LOCATIONS = "loc.*"
ALL_LEADERS = "leader.*"
ALL_PINGS = "ping.*"
ALL_HANDOVERS = "handover.*"
ALL_LEDGERS = "ledger.*"
ALL_MATCHES = "matches.*"
ALL_ACCOUNTS = "accounts.*"
ALL_HISTORY = "history.*"
ALL_WEBHOOKS = "webhooks.*"
ALL_DELIVERIES = "deliveries.*"
ALL_RESULTS = f"{RESULTS}.*.*"
ALL_DELIVERY_RESULTS = f"{DELIVERY_RESULTS}.*.*"
ALL_REVOKED = "revoked.*"


def operations(operation: str) -> str:
    """What only operators may ask of persistence, and no gateway."""
    return f"operations.{token(operation)}"


ALL_OPERATIONS = "operations.*"


def erased(user_id: str) -> str:
    return f"erased.{token(user_id)}"


ALL_ERASED = "erased.*"
