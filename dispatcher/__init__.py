"""Decides: commands in, facts out, one leader a region.

Pure: errors, limits, transitions, ids, feed, state, keys, timeline, rooms,
presence, ring, apply, decide, decide_rooms, sync, snapshot, engine, batch (no asyncio,
nats, time, random, logging, os). The rest is the shell.
"""
