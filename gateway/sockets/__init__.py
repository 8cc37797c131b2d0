"""Bytes in and out of sockets: HTTP/1.1, the upgrade, WebSockets, and who may have how
many.
"""
