"""Makes sure that a JetStream stream is there, as `schemas.streams` describes it, in
as many copies as the settings ask for.
"""

import json

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, BadRequestError, NotFoundError

from schemas.streams import StreamSpec

log = structlog.get_logger()

_NAME_IN_USE = 10058
"""err_code of a stream created meanwhile, with another configuration."""


async def ensure(
    js: JetStreamContext, spec: StreamSpec, *, replicas: int = 1
) -> StreamInfo:
    """Create the stream, or let the one that is there be; only an age limit that is
    shorter than `spec` demands, and fewer copies, are raised; one whose oldest go
    for want of room is given the limits of `spec`. Idempotent, safe with many at once.

    Raises:
        nats.errors.Error: JetStream refused, or did not answer.
    """
    try:
        info = await js.stream_info(spec.name)
    except NotFoundError:
        info = await _create(js, spec, replicas)
    max_age_s = info.config.max_age or 0
    is_short = max_age_s and (spec.max_age_s == 0 or max_age_s < spec.max_age_s)
    if is_short or (spec.discards_old and max_age_s != spec.max_age_s):
        config = info.config.evolve(max_age=spec.max_age_s)
        info = await js.update_stream(config)
    return await replicate(js, info, replicas)


async def replicate(
    js: JetStreamContext, info: StreamInfo, replicas: int
) -> StreamInfo:
    """Have a stream that is there kept in `replicas` copies; never in fewer than it is,
    since a service with other settings may have asked for them. The copies are made
    by and by, while the stream is in use. Where the servers can't, the stream goes on
    as it is, and that is logged (`cabrank doctor` tells it too).

    Raises:
        nats.errors.Error: JetStream did not answer.
    """
    if (info.config.num_replicas or 1) >= replicas:
        return info
    try:
        info = await js.update_stream(info.config.evolve(num_replicas=replicas))
    except APIError as error:
        log.error(  # noqa: TRY400 - the servers' answer says it all
            "the stream can't have so many copies",
            stream=info.config.name,
            replicas=replicas,
            error=error.description,
        )
    else:
        log.info("copies added", stream=info.config.name, replicas=replicas)
    return info


async def _create(js: JetStreamContext, spec: StreamSpec, replicas: int) -> StreamInfo:
    config = StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD if spec.discards_old else DiscardPolicy.NEW,
        max_bytes=spec.max_bytes,
        max_age=spec.max_age_s,
        num_replicas=replicas,
        allow_direct=True,
    )
    try:
        return await js.add_stream(config)
    except BadRequestError as error:
        if error.err_code != _NAME_IN_USE:
            raise
        return await js.stream_info(spec.name)


async def names(bus: Client) -> set[str]:
    """Of all streams.

    Raises:
        nats.errors.Error, TimeoutError: JetStream refused, or did not answer.
    """
    found: set[str] = set()
    while True:
        message = await bus.request(
            "$JS.API.STREAM.NAMES",
            json.dumps({"offset": len(found)}).encode(),
            timeout=5,
        )
        page = json.loads(message.data)
        if "error" in page:
            raise APIError.from_error(page["error"])
        found.update(page["streams"] or ())
        if not page["streams"] or len(found) >= page["total"]:
            return found
