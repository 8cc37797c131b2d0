"""Who a token's bearer is: our keys, an outside issuer's, and what was revoked."""
