"""The command line: the stack on one machine, care of a running system, its trials.

Decides nothing about trips: it starts the services, and looks at them from outside.
"""
