"""Judges of what clients saw: pure; they know the contract only."""
