"""All of them, in the page's order."""

from brokers import bun, centrifugo, mosquitto, nats_ws, nchan, node_ws
from brokers.broker import Broker

BROKERS: tuple[Broker, ...] = (
    bun.BUN,
    nchan.NCHAN,
    node_ws.WS,
    mosquitto.MOSQUITTO,
    nats_ws.NATS,
    centrifugo.MEMORY,
    centrifugo.REDIS,
    centrifugo.NATS,
)
