"""uWebSockets, as Bun brings it along (bun.js)."""

from functools import partial

from brokers import links, npm
from brokers.broker import Broker

BUN = Broker(
    "uWebSockets (Bun)",
    "MIT; uWebSockets Apache-2.0",
    f"Bun {npm.PACKAGES['bun']}: its own topics, no compression, no pings, 64 MiB of "
    "backpressure; an HS256 token checked at the upgrade",
    partial(npm.start, "bun", "bun.js"),
    links.connect_texting,
    lacking=npm.lacking,
)
