"""node's ws (ws.cjs)."""

from functools import partial

from brokers import links, npm
from brokers.broker import Broker

WS = Broker(
    "node ws",
    "MIT",
    f"ws {npm.PACKAGES['ws']}: a frame built once by its `Sender` and written to each "
    "raw socket, no compression, no client tracking; the token as Bun's",
    partial(npm.start, "node", "ws.cjs"),
    links.connect_texting,
    lacking=npm.lacking,
)
