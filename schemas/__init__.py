"""The contract all services share: frames, commands, events, subjects, streams.

Pure data and pure functions. No I/O, and nothing of ours is imported from here.
"""
