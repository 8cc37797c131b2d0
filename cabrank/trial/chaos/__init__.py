"""`cabrank chaos`: breaks a system of its own on purpose, under load, and checks what
clients saw. Knows the services only from outside: processes, sockets, files.
"""
