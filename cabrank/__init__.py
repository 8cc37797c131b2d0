"""The command line, the embedded local stack, simulate, bench and doctor.

Decides nothing about trips: it starts the services, and looks at them from outside.
"""
