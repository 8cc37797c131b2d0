"""Records out to other people's endpoints: signed, in order, at least once.

Reads ledgers, asks persistence what waits for whom, and sends it. Keeps nothing, and
has neither a database nor a right to write on NATS: it speaks to strangers.
"""
