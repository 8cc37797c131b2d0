"""Why a token is not taken.

IdentityError
└── InvalidToken
    ├── ExpiredToken
    ├── RevokedToken
    └── UnknownKey
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
