"""What an access token says: an Ed25519 JWT (RFC 7519, 8037), `kid` in its header."""

from typing import Annotated

from msgspec import Meta, Struct

from schemas.trips import Role, User

ISSUER = "cabrank"
ALGORITHM = "EdDSA"
LOAD_TEST_TTL_S = 86_400
"""PROTOCOL.md section 6: tokens of `cabrank tokens` live 24 h, longer than any other.
"""


Instant = Annotated[float, Meta(ge=0, le=253_402_300_799)]
"""RFC 7519's NumericDate, until the year 9999. What a comparison can't end, NaN and
infinity, is none."""


class Claims(Struct, frozen=True):
    """`iat`, `exp`: seconds since 1970; `iat` keeps its milliseconds, so that a log-in
    in the second of a revocation is not caught by it.
    """

    sub: str
    username: str
    first_name: str
    last_name: str
    role: Role
    region: str
    sid: str
    iat: Instant
    exp: Instant
    iss: str = ISSUER

    def user(self) -> User:
        return User(self.sub, self.username, self.first_name, self.last_name, self.role)
