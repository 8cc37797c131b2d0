"""Decides: commands in, facts out, one leader a region.

Pure: engine/ (no asyncio, nats, time, random, logging, os). The rest is the shell.
"""
