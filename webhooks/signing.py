"""The headers of Standard Webhooks. Pure but for the package that signs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from schemas.webhooks import message_id


def headers(
    ledger: str, seq: int, body: str, secrets: Sequence[str], now_s: int
) -> dict[str, str]:
    """Signed by each secret, the newest first: while one is being replaced, who knows
    either can tell.
    """
    message = message_id(ledger, seq)
    at = datetime.fromtimestamp(now_s, UTC)
    signed = [Webhook(secret).sign(message, at, body) for secret in secrets]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(signed),
    }
