"""Sessions without sockets: what the tests of the session machine share."""

import itertools
import json
from typing import Any

from gateway.clock import Now
from gateway.errors import UncheckedKey
from gateway.identity.tokens import InvalidToken
from gateway.limits import Limits
from gateway.session.effects import Send
from gateway.session.machine import Session, Shared
from schemas.allowances import Allowances
from schemas.claims import Claims
from schemas.service_accounts import is_key
from schemas.trips import Role

TRIP = "0192f0c4-0000-7000-8000-0000000000aa"
NOW = Now(1000.0, 1_795_255_200_000)


def claims(role: Role = Role.RIDER, sub: str = "u1", exp_s: float = 900) -> Claims:
    wall_s = NOW.wall_ms / 1000
    return Claims(sub, "ada", "Ada", "L", role, "main", "5e55", wall_s, wall_s + exp_s)


KNOWN = {
    "rider": claims(),
    "rider again": claims(exp_s=2000),
    "driver": claims(Role.DRIVER, "u2"),
    "operator": claims(Role.OPERATOR, "u3"),
}


def verify(token: str, now_s: float) -> Claims:
    assert abs(now_s - NOW.wall_ms / 1000) < 3600, "seconds of the wall clock"
    if is_key(token) and token not in KNOWN:
        raise UncheckedKey(token)
    if token not in KNOWN:
        raise InvalidToken("no token of ours")
    return KNOWN[token]


def shared(**limits: Any) -> Shared:
    ids = (f"{number:032x}" for number in itertools.count(1))
    made = Limits(**limits)
    return Shared(verify, ids, made, Allowances(made.users))


def session(role: Role | None = Role.RIDER, **limits: Any) -> Session:
    """A session of that role; None: nobody yet."""
    made = Session(shared(**limits), NOW)
    if role is not None:
        made.identify(KNOWN[role.value])
    return made


def frame(kind: str, data: Any = None, ref: str | None = "r") -> bytes:
    made: dict[str, Any] = {"type": kind, "ref": ref}
    if data is not None:
        made["data"] = data
    return json.dumps(made).encode()


def said(send: Any) -> dict[str, Any]:
    """What a frame says that is sent."""
    assert isinstance(send, Send)
    made: dict[str, Any] = json.loads(send.frame[send.frame.index(b'{"') :])
    return made


def refusal(actions: list[Any]) -> tuple[str, str | None]:
    """(code, ref) of the only action, a refusal in words."""
    (send,) = actions
    frame_ = said(send)
    assert frame_["type"] == "refused"
    assert frame_["data"]["code"] == send.code
    assert frame_["data"]["message"]
    return frame_["data"]["code"], frame_["ref"]


def refused(made: Session, payload: bytes) -> tuple[str, str | None]:
    return refusal(made.receive(payload, NOW))
