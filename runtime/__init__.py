"""What every service needs to run: settings, NATS, life cycle, telemetry.

Decides nothing about trips or users; knows nothing of the services above it.
"""
