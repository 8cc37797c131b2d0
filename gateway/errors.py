"""Why a token is not taken.

IdentityError
└── InvalidToken
    ├── ExpiredToken
    ├── RevokedToken
    └── UnknownKey
        └── UncheckedKey
"""


class IdentityError(Exception):
    """Root of what gateway/identity/tokens.py and gateway/identity/oidc.py raise."""


class InvalidToken(IdentityError):  # noqa: N818 - the contract's word
    """Not a token of ours. The message says why and is fit to show to a client."""


class ExpiredToken(InvalidToken):
    pass


class RevokedToken(InvalidToken):
    pass


class UnknownKey(InvalidToken):
    """It may be good once the issuer's keys have been fetched again."""


class UncheckedKey(UnknownKey):
    """It is a service account's key, and may be good once it has been asked about."""

    def __init__(self, key: str) -> None:
        super().__init__("the key could not be checked")
        self.key = key
