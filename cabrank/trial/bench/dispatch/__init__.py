"""`cabrank bench dispatch`: how well a city is served, by policy, load and settings, in
virtual time.

Pure but for `command` and `plot`: a seed gives the same evening on every machine.
"""
