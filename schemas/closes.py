"""WebSocket close codes, PROTOCOL.md section 4.

4000-4499: come back. 4500-4999: do not.
"""

from enum import IntEnum


class Close(IntEnum):
    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    RESTART = 1012
    TRY_AGAIN_LATER = 1013
    SLOW_CONSUMER = 4001
    DRAINING = 4002
    RESYNC = 4003
    PROTOCOL_ABUSE = 4500
    NOT_AUTHENTICATED = 4501
    TOKEN_EXPIRED = 4502
    SESSION_REVOKED = 4503


REASONS: dict[Close, str] = {
    Close.GOING_AWAY: "server is going away",
    Close.UNSUPPORTED_DATA: "binary frames are not taken",
    Close.INVALID_TEXT: "text is not UTF-8",
    Close.TOO_BIG: "frame is over 64 KiB",
    Close.INTERNAL_ERROR: "internal error",
    Close.RESTART: "server restarts",
    Close.TRY_AGAIN_LATER: "no dispatcher answered, try again later",
    Close.SLOW_CONSUMER: "slow consumer",
    Close.DRAINING: "draining, come back",
    Close.RESYNC: "resync, come back",
    Close.PROTOCOL_ABUSE: "over 100 bad frames in 10 s",
    Close.NOT_AUTHENTICATED: "not authenticated",
    Close.TOKEN_EXPIRED: "token expired",
    Close.SESSION_REVOKED: "session revoked",
}
