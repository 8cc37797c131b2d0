"""A region's trips and rooms as a deterministic machine: pure."""
