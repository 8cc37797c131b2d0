"""What the commands are called and take; each calls what does the work, and decides
nothing itself.

A command imports what it needs itself: a dispatcher's start is part of its failover
time, and Alembic or Litestar would double it.
"""
