"""A push bridge: wakes a driver's phone, by Firebase Cloud Messaging, when a trip is
offered to them.

    cabrank webhooks add https://push.example/cabrank --event 'offer.*'
    WEBHOOK_SECRET=whsec_… FCM_TOKEN=… PHONES=phones.json uvicorn app:app --port 9001

A delivery is taken at its word only if it is signed (standardwebhooks). What comes
twice is sent on once. While Firebase is away the answer is 503, and cabrank tries again
after 5 s; an offer that has run out by then wakes nobody.
"""

import json
import os
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["WEBHOOK_SECRET"])
FCM = os.environ.get("FCM_URL", "https://fcm.googleapis.com")
PROJECT = os.environ.get("FCM_PROJECT", "city-cabs")
PHONES = Path(os.environ.get("PHONES", "phones.json"))
"""Driver's user id → the token that Firebase gave their phone; your own table stands
here."""
SENT_MAX = 10_000
"""Deliveries that are remembered: a try may come again for three days, but most do so
within seconds; and a phone replaces a push of the same `collapse_key`."""
PATIENCE_S = 10.0
"""cabrank waits for 15."""

app = FastAPI()
web = httpx.AsyncClient(base_url=FCM, timeout=PATIENCE_S)
sent: OrderedDict[str, None] = OrderedDict()


def access_token() -> str:
    """google-auth's stands here: `credentials.refresh(…)`, then `credentials.token`."""
    return os.environ["FCM_TOKEN"]


@app.post("/cabrank")
async def hear(request: Request) -> Response:
    try:
        said = WEBHOOK.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status_code=401)
    delivery = request.headers["webhook-id"]
    push = push_of(said["type"], said["data"], datetime.now(UTC))
    if push is None or delivery in sent:
        return Response(status_code=204)
    if not await pushed(push):
        return Response(status_code=503)
    sent[delivery] = None
    if len(sent) > SENT_MAX:
        sent.popitem(last=False)
    return Response(status_code=204)


def push_of(type_: str, data: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    """Firebase's message (HTTP v1); None: there is nobody to be told, or no use."""
    if type_ not in {"offer.made", "offer.ended"}:
        return None
    phone = json.loads(PHONES.read_text()).get(data["driver"]["id"])
    if phone is None:
        return None
    # Firebase's data are strings.
    told = {"type": type_, "offer": data["offer"]}
    life_s = 60
    if type_ == "offer.made":
        left = datetime.fromisoformat(data["expires_at"]) - now
        life_s = int(left.total_seconds())
        if life_s <= 0:
            return None
        told |= {
            "trip": data["trip"]["id"],
            "pick_up": data["trip"]["pick_up_address"],
            "eta_s": str(data["pick_up_eta_s"]),
            "expires_at": data["expires_at"],
        }
    how = {"priority": "HIGH", "ttl": f"{life_s}s", "collapse_key": data["offer"]}
    return {"message": {"token": phone, "data": told, "android": how}}


async def pushed(push: dict[str, Any]) -> bool:
    """Whether that is done with: Firebase has it, or will never take it."""
    path = f"/v1/projects/{PROJECT}/messages:send"
    headers = {"Authorization": f"Bearer {access_token()}"}
    try:
        answer = await web.post(path, json=push, headers=headers)
    except httpx.TransportError:
        return False
    # 404 (UNREGISTERED): the app is gone from that phone; your own table forgets it.
    return answer.is_success or answer.status_code in {400, 404}
