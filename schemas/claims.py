"""What an access token says: an Ed25519 JWT (RFC 7519, 8037), `kid` in its header."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.service_accounts import Scope
from schemas.trips import Role, User

ISSUER = "cabrank"
SERVICE_ISSUER = "cabrank-service"
"""Of a service account's tokens: gateways of before there were any don't know what
confines them, so they take none."""
ALGORITHM = "EdDSA"
LOAD_TEST_TTL_S = 86_400
"""PROTOCOL.md section 6: tokens of `cabrank tokens` live 24 h, longer than any other.
"""


LATEST_S = 253_402_300_799
"""The end of the year 9999."""
Instant = Annotated[float, Meta(ge=0, le=LATEST_S)]
"""RFC 7519's NumericDate. What a comparison can't end, NaN and infinity, is none."""


class Service(Struct, frozen=True):
    """Of a service account's token. `key`: the id of the key that it comes of."""

    key: str
    scopes: tuple[Scope, ...]
    """None: all."""


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
    service: Service | UnsetType = UNSET

    def user(self) -> User:
        return User(self.sub, self.username, self.first_name, self.last_name, self.role)

    @property
    def key(self) -> str:
        """The id of the service account's key that it comes of; empty: a person's."""
        return "" if self.service is UNSET else self.service.key
