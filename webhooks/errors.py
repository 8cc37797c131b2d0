"""The package's exceptions.

WebhooksError
├── NotAnswered: persistence did not, or refused what it should take
├── Moved: somebody else reads that ledger, or more is wanted than was known
└── Forbidden: an endpoint is where nothing is sent
"""


class WebhooksError(Exception):
    """Root of this package; the message says what was found."""


class NotAnswered(WebhooksError):  # noqa: N818
    pass


class Moved(WebhooksError):  # noqa: N818
    pass


class Forbidden(WebhooksError):  # noqa: N818
    pass
