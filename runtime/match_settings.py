"""How drivers are found for trips, as settings: PROTOCOL.md section 7. Pure."""

from typing import Annotated, Literal, cast

from msgspec import Meta

from runtime.lists import listed
from runtime.user_limits import UserSettings

LONG_S = 100 * 365 * 86400
"""A century: for ever."""


Policy = Literal["nearest", "broadcast"]


def policies(text: str) -> dict[str, Policy]:
    """`nearest,oslo=broadcast` → `{"": "nearest", "oslo": "broadcast"}`; what is no
    policy is in it, too.
    """
    found: dict[str, Policy] = {"": "nearest"}
    for part in listed(text):
        region, _, policy = part.rpartition("=")
        found[region.strip()] = cast("Policy", policy.strip())
    return found


class MatchSettings(UserSettings, frozen=True, kw_only=True):
    """Those of `runtime.settings.Settings` that the matcher reads; docs/DISPATCH.md
    tells what each does to a city.
    """

    pick_up_max_s: Annotated[
        float,
        Meta(
            gt=0,
            le=LONG_S,
            description="longest way to a pick-up, in seconds, for which a driver is "
            "offered a trip; twice that once the trip has been open 45 s",
        ),
    ] = 480
    idle_credit: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="seconds of way to the pick-up that a second of idling makes "
            "up for when drivers are compared, of the last 30 minutes; 0: the nearest",
        ),
    ] = 0.2
    match_window_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3_600,
            description="seconds for which open trips and free drivers are gathered "
            "before they are paired; 0: at once",
        ),
    ] = 0
    detour: Annotated[
        float,
        Meta(
            ge=1,
            le=10,
            description="how much longer than the great circle the way to a pick-up is",
        ),
    ] = 1.3
    speed_kmh: Annotated[
        float,
        Meta(ge=0.1, le=1_000, description="speed on the way to a pick-up, in km/h"),
    ] = 25
    position_max_age_s: Annotated[
        float,
        Meta(
            gt=0,
            le=LONG_S,
            description="seconds after which a driver whose position wasn't heard "
            "again is offered nothing",
        ),
    ] = 60
