"""How much one user may ask for, as settings: PROTOCOL.md section 2. Pure."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.allowances import Rate, UserLimits

PerUnit = Annotated[float, Meta(ge=0, le=1_000_000)]


class UserSettings(Struct, frozen=True, kw_only=True):
    """Those of `runtime.settings.Settings` that limit a user."""

    user_commands_per_s: Annotated[
        PerUnit,
        Meta(
            description="commands a second of one user, 200 at once: all frames but "
            "driver.location; as of all user_ limits: 0: no limit, operators have ten "
            "times as much, and above its default the burst grows with it"
        ),
    ] = 50
    user_requests_per_min: Annotated[
        PerUnit,
        Meta(description="trips a minute that one user may request, 10 at once"),
    ] = 30
    user_messages_per_s: Annotated[
        PerUnit, Meta(description="messages a second of one user to rooms, 100 at once")
    ] = 20
    user_reads_per_s: Annotated[
        PerUnit,
        Meta(
            description="HTTP requests a second of one user on one gateway, 200 at once"
        ),
    ] = 50
    user_seats_max: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="places of one user's sessions in rooms"),
    ] = 1_024
    user_rooms_per_day: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="rooms a day whose first message is one user's, all at once",
        ),
    ] = 2_000

    def user_limits(self) -> UserLimits:
        """What PROTOCOL.md section 2 calls the limits of a user."""
        usual = UserLimits()
        return UserLimits(
            commands=usual.commands.at(self.user_commands_per_s),
            requests=usual.requests.at(self.user_requests_per_min / 60),
            messages=usual.messages.at(self.user_messages_per_s),
            reads=usual.reads.at(self.user_reads_per_s),
            rooms=Rate(self.user_rooms_per_day / 86_400, self.user_rooms_per_day),
            seats_max=self.user_seats_max,
        )
