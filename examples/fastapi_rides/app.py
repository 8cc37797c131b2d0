"""A FastAPI application whose own users ride.

    openssl genpkey -algorithm ed25519 -out key.pem
    CABRANK_OIDC_ISSUER=http://127.0.0.1:9000 CABRANK_OIDC_AUDIENCE=cabrank cabrank up
    CABRANK_URL=http://127.0.0.1:8000 uvicorn app:app --port 9000

The application is its users' issuer: cabrank takes the short tokens that it signs, and
knows a user from the first one on. So nobody signs up twice, no password of cabrank's
is kept here, what a user may do and how much is that user's own, and this process,
which faces the Internet, holds no operator's key that could move everybody's trips.
"""

import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import jwt
from cabrank_client import AsyncHttpClient, Client, Refused, TokenSource, TripEvent
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel

CABRANK = os.environ.get("CABRANK_URL", "http://127.0.0.1:8000")
ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:9000")
KEY = load_pem_private_key(Path(os.environ.get("KEY", "key.pem")).read_bytes(), None)
USERS = {"ann": "long enough", "eve": "long enough"}
"""Your own users stand here; these are for trying it out."""
LIFE_S = 300
"""Of a token: what isn't true of a user any more is over with it."""

app = FastAPI()


# ---- who somebody is ---------------------------------------------------------


def logged_in(said: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Your own log-in stands here."""
    password = USERS.get(said.username, "")
    same = secrets.compare_digest(password.encode(), said.password.encode())
    if not password or not same:
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    return said.username


User = Annotated[str, Depends(logged_in)]


def tokens_of(user: str) -> TokenSource:
    """What a client of cabrank's asks for a token: a new one each time."""

    def give(rejected: str | None) -> str:  # noqa: ARG001 - none is given twice
        now = int(time.time())
        said = {"iss": ISSUER, "aud": "cabrank", "sub": user, "role": "rider"}
        said |= {"preferred_username": user, "given_name": user.title()}
        said |= {"iat": now, "exp": now + LIFE_S, "jti": secrets.token_hex(8)}
        return jwt.encode(said, KEY, "EdDSA", {"kid": "1"})

    return give


@app.get("/.well-known/openid-configuration")
def configuration() -> dict[str, str]:
    return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks.json"}


@app.get("/jwks.json")
def jwks() -> dict[str, list[dict[str, str]]]:
    public = jwt.algorithms.OKPAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return {"keys": [public | {"kid": "1", "use": "sig", "alg": "EdDSA"}]}


# ---- rides -------------------------------------------------------------------


class Ride(BaseModel):
    start: str
    end: str


@app.post("/rides", status_code=201)
async def book(
    ride: Ride, user: User, idempotency_key: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    """The page makes a key for each press of its button, so that two are one ride."""
    async with AsyncHttpClient(CABRANK, token=tokens_of(user)) as cabrank:
        trip = await cabrank.request_trip(
            ride.start, ride.end, idempotency_key=idempotency_key
        )
    return {"id": trip["id"], "status": trip["status"]}


@app.delete("/rides/{ride}")
async def cancel(ride: str, user: User) -> dict[str, Any]:
    async with AsyncHttpClient(CABRANK, token=tokens_of(user)) as cabrank:
        trip = await cabrank.cancel_trip(ride)
    return {"id": trip["id"], "status": trip["status"]}


@app.get("/rides/{ride}/events")
async def events(ride: str, user: User) -> StreamingResponse:
    """Server-sent events for a page's `EventSource`, to the ride's end."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(CABRANK, token=tokens_of(user)))
        follow = client.follow(ride)
        # Somebody else's ride is refused before the answer begins.
        first = await anext(follow)
        kept = stack.pop_all()

    async def lines() -> AsyncIterator[str]:
        async with kept:
            yield line_of(first)
            async for event in follow:
                yield line_of(event)

    return StreamingResponse(lines(), media_type="text/event-stream")


def line_of(event: TripEvent) -> str:
    driver = event.trip["driver"]
    name = None if driver is None else driver["first_name"]
    said = {"status": event.trip["status"], "driver": name}
    return f"data: {json.dumps(said)}\n\n"


@app.exception_handler(Refused)
async def refused(_: Request, error: Refused) -> JSONResponse:
    """What cabrank refuses, in words that are fit to show."""
    said = {"code": error.code, "message": error.message}
    return JSONResponse(said, 503 if error.retryable else 409)
