"""A user's data, given and taken away."""
