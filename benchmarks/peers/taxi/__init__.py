"""The taxi service of the Channels tutorials, written for speed: what the peers run.

Speaks this project's frames, so that one load generator drives all. Nothing of the
product imports it, and it imports nothing of the product.
"""
