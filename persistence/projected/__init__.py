"""Ledger records into rows, each once."""
