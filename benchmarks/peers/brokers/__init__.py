"""The strongest that pass a message on to many WebSockets, a file each. None of them
decides anything, or keeps what it passes on on a disk.
"""
