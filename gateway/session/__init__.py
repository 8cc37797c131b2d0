"""One client's session, sans I/O: frames in, effects out."""
