"""Channels' consumer. A frame is encoded once and sent to groups as text, so that a
delivery costs the layer's and the server's work only.
"""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone
from jwt import InvalidTokenError

from taxi import frames
from taxi.models import Trip


class TaxiConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        headers = dict(self.scope["headers"])
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        try:
            self.user = frames.user_of(token)
        except InvalidTokenError:
            await self.close()
            return
        self.mine = f"user_{self.user['id']}"
        await self.channel_layer.group_add(self.mine, self.channel_name)
        if self.user["role"] == "driver":
            await self.channel_layer.group_add("drivers", self.channel_name)
        await self.accept()
        await self._say(frames.welcome(self.user))

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        if hasattr(self, "mine"):
            await self.channel_layer.group_discard(self.mine, self.channel_name)
            if self.user["role"] == "driver":
                await self.channel_layer.group_discard("drivers", self.channel_name)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        frame = frames.decode(text_data or bytes_data or "")
        kind, ref, data = frame["type"], frame.get("ref"), frame["data"]
        if kind == "trip.request":
            await self._request(ref, data)
        elif kind in frames.MOVES:
            await self._move(kind, ref, data["id"])
        elif kind == "trip.cancel":  # tidies up after a measurement
            await self._say(frames.frame("reply", data, ref=ref))

    async def _request(self, ref: Any, data: dict[str, Any]) -> None:
        row = await Trip.objects.acreate(
            pick_up_address=data["pick_up_address"],
            drop_off_address=data["drop_off_address"],
            rider=self.user["id"],
        )
        trip = self._trip(row, self.user, None)
        await self._tell("drivers", "trip.requested", trip)
        await self._tell(self.mine, "trip.requested", trip)
        await self._say(frames.frame("reply", trip, ref=ref))

    async def _move(self, kind: str, ref: Any, key: str) -> None:
        before, after, event = frames.MOVES[kind]
        changed = await Trip.objects.filter(id=key, status=before).aupdate(
            status=after, driver=self.user["id"], updated=timezone.now()
        )
        if not changed:
            await self._say(frames.refused(ref))
            return
        row = await Trip.objects.aget(id=key)
        trip = self._trip(row, {"id": row.rider}, self.user)
        await self._tell(f"user_{row.rider}", event, trip)
        await self._tell(self.mine, event, trip)
        if kind == "trip.accept":
            await self._tell("drivers", "trip.taken", {"id": key})
        await self._say(frames.frame("reply", trip, ref=ref))

    def _trip(self, row: Trip, rider: Any, driver: Any) -> dict[str, Any]:
        return frames.trip(
            row.id,
            row.status,
            row.pick_up_address,
            row.drop_off_address,
            rider,
            driver,
            row.created,
        )

    async def _tell(self, group: str, kind: str, data: Any) -> None:
        text = frames.encode(frames.frame(kind, data)).decode()
        await self.channel_layer.group_send(group, {"type": "pass.on", "text": text})

    async def pass_on(self, event: dict[str, str]) -> None:
        await self.send(text_data=event["text"])

    async def _say(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=frames.encode(frame).decode())
