"""Accounts, tokens, keys, throttle, and who did what."""
