"""Webhooks: an operator says where to, persistence keeps it, and the webhooks service
sends (PROTOCOL.md section 8).
"""

from typing import Annotated, Any

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Response
from msgspec import Struct, structs

from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    address,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.problems import Refused, data_of, specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import PAGE_DEFAULT, PAGE_MAX
from schemas.forms import MESSAGE
from schemas.refusals import Code
from schemas.webhooks import (
    AddWebhook,
    ChangeWebhook,
    DeliveryTold,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    MadeWebhook,
    NewSecret,
    RemoveWebhook,
    Replay,
    ReplayBody,
    Webhook,
    WebhookBody,
    WebhookPatch,
)

_ASKED = (Code.WRONG_ROLE, *REFUSED, Code.OVERLOADED, Code.UNAVAILABLE)
_SAID = (Code.INVALID_DATA, *_ASKED)
"""By a query."""
_BODY = (Code.BAD_FRAME, *_SAID)
WebhookId = Annotated[str, PathParameter(description="the webhook's id, a UUID")]


@get(
    "/api/webhooks",
    needs=scopes.SEE_WEBHOOKS,
    response_description="webhooks, the oldest first",
    responses=specs(*_ASKED),
)
async def webhooks(asker: NamedDependency[Questions]) -> Response[list[Webhook]]:
    """All webhooks there are."""
    return await _answer(asker, "list", ListWebhooks())


@post(
    "/api/webhooks",
    needs=scopes.WEBHOOKS,
    response_description="the webhook, with its secret, which is told once",
    responses=specs(*_BODY, bad_frame=413) | specs(invalid_data=409),
)
async def add(
    request: SignedIn, data: JSONBody[WebhookBody], asker: NamedDependency[Questions]
) -> Response[MadeWebhook]:
    """Have events sent to a URL from now on. 409: there are as many as may be."""
    said = structs.asdict(data)
    question = AddWebhook(by=request.auth.sub, address=address(request), **said)
    return await _answer(asker, "add", question, 201)


@get(
    "/api/webhooks/{webhook:str}",
    needs=scopes.SEE_WEBHOOKS,
    response_description="the webhook",
    responses=specs(*_ASKED, invalid_data=404),
)
async def webhook(
    webhook: WebhookId, asker: NamedDependency[Questions]
) -> Response[Webhook]:
    """One webhook, without its secret. 404: there is none."""
    return await _answer(asker, "get", GetWebhook(_id(webhook)))


@patch(
    "/api/webhooks/{webhook:str}",
    needs=scopes.WEBHOOKS,
    response_description="the webhook as it is now",
    responses=specs(*_BODY, bad_frame=413) | specs(invalid_data=404),
)
async def change(
    request: SignedIn,
    webhook: WebhookId,
    data: JSONBody[WebhookPatch],
    asker: NamedDependency[Questions],
) -> Response[Webhook]:
    """Change what is named; the rest stays. One that is made active again begins with
    what happens from then on.
    """
    said = {name: getattr(data, name) for name in data.__struct_fields__}
    question = ChangeWebhook(
        webhook=_id(webhook), by=request.auth.sub, address=address(request), **said
    )
    return await _answer(asker, "change", question)


@delete(
    "/api/webhooks/{webhook:str}",
    needs=scopes.WEBHOOKS,
    response_description="it is gone, and what waited for it",
    responses=specs(*_ASKED, invalid_data=404),
)
async def remove(
    request: SignedIn, webhook: WebhookId, asker: NamedDependency[Questions]
) -> None:
    """Send nothing there any more."""
    question = RemoveWebhook(_id(webhook), request.auth.sub, address(request))
    data_of(await asker.ask(subjects.webhooks("remove"), question))


@get(
    "/api/webhooks/{webhook:str}/deliveries",
    needs=scopes.SEE_WEBHOOKS,
    response_description="deliveries, newest first",
    responses=specs(*_SAID) | specs(invalid_data=404),
)
async def deliveries(
    webhook: WebhookId,
    asker: NamedDependency[Questions],
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="deliveries at most")
    ] = PAGE_DEFAULT,
    before: Annotated[
        str | None,
        QueryParameter(
            pattern=MESSAGE,
            description="a `webhook_id`: only those older than it",
        ),
    ] = None,
) -> Response[list[DeliveryTold]]:
    """What was, or is to be, sent there, and what came of it."""
    question = ListDeliveries(_id(webhook), limit, before)
    return await _answer(asker, "deliveries", question)


@post(
    "/api/webhooks/{webhook:str}/replay",
    needs=scopes.WEBHOOKS,
    response_description="it is begun",
    status_code=202,
    responses=specs(*_BODY, bad_frame=413) | specs(invalid_data=404),
)
async def replay(
    request: SignedIn,
    webhook: WebhookId,
    data: JSONBody[ReplayBody],
    asker: NamedDependency[Questions],
) -> Response[None]:
    """Have all that happened after a `seq`, and that the ledger still holds, sent
    again, with the same `webhook-id`s.
    """
    question = Replay(
        _id(webhook), request.auth.sub, data.since, data.region, address(request)
    )
    return await _answer(asker, "replay", question, 202)


@post(
    "/api/webhooks/{webhook:str}/secret",
    needs=scopes.WEBHOOKS,
    response_description="the new secret, which is told once",
    status_code=201,
    responses=specs(*_ASKED, invalid_data=404),
)
async def renew_secret(
    request: SignedIn, webhook: WebhookId, asker: NamedDependency[Questions]
) -> Response[NewSecret]:
    """Make a new secret; for 24 h the one before signs as well."""
    question = RemoveWebhook(_id(webhook), request.auth.sub, address(request))
    return await _answer(asker, "secret", question, 201)


async def _answer(
    asker: Questions, operation: str, question: Struct, status: int = 200
) -> Response[Any]:
    data = data_of(await asker.ask(subjects.webhooks(operation), question))
    return Response(data, media_type="application/json", status_code=status)


def _id(text: str) -> str:
    known = uuid_or_none(text)
    if known is None:
        raise Refused(Code.INVALID_DATA, "there is no such webhook", 404)
    return known


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[
            webhooks,
            add,
            webhook,
            change,
            remove,
            deliveries,
            replay,
            renew_secret,
        ],
        guards=[signed_in, operators_only],
        security=BEARER,
        tags=["webhooks"],
    )
