"""Records into the ledger under the fence, and what a stored one says to whom."""
