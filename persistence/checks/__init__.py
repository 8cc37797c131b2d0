"""The ledger against rows, and rows against their indexes."""
