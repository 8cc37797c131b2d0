"""Remembers: ledger records in, rows out; answers questions about people and the past.

Nothing in the live path waits for it, and it decides nothing about trips.
"""
