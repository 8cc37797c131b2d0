"""A driver's offers that live, as the server tells them. Pure: time is an argument.

One that runs out goes by itself, so that none is taken for alive while the connection
is lost; the server's word counts.
"""

from collections.abc import Mapping
from typing import Any

from cabrank_client.shapes import Offer


class Offers:
    def __init__(self) -> None:
        self._live: dict[str, tuple[Offer, float]] = {}

    def live(self, now_s: float) -> list[Offer]:
        """The oldest first."""
        return [offer for offer, ends_at_s in self._live.values() if now_s < ends_at_s]

    def welcomed(self, offers: list[Offer], now_s: float) -> None:
        """All that live."""
        self._live = {}
        for offer in offers:
            self._add(offer, now_s)

    def heard(self, type_: str, data: Mapping[str, Any], now_s: float) -> None:
        """A frame that may make or end one."""
        if type_ == "trip.offered":
            self._add(data, now_s)  # type: ignore[arg-type]
        elif type_ == "trip.offer_ended":
            self._live.pop(data["offer"], None)
        elif type_ == "trip.started":
            self._live = {
                offer: (one, ends_at_s)
                for offer, (one, ends_at_s) in self._live.items()
                if one["trip"]["id"] != data["id"]
            }

    def _add(self, offer: Offer, now_s: float) -> None:
        self._live[offer["offer"]] = (offer, now_s + offer["expires_in_ms"] / 1000)
