"""One service as this process. Apart from the other commands, for a service needs
nothing of theirs (`python -m cabrank gateway` without it: 0.1 s and 5 MB more).
"""

import importlib
import os

from cabrank import lean  # noqa: F401 - before structlog
from cabrank.errors import INTERRUPTED, UsageError, refuse
from runtime import environment, log, settings

NAMES = ("gateway", "dispatcher", "persistence", "webhooks")
"""Standard error is their log, in JSON."""
PRIVATE = 0o077
"""The umask of every command and what it starts: databases, logs and NATS's store hold
hashes, tokens and places. What others must read is given a mode where it is written."""


def serve(name: str) -> int:
    """Run it until SIGTERM; its exit status.

    Raises:
        SettingsError: a setting can't be used.
    """
    import structlog  # noqa: PLC0415 - after `lean`

    log.configure(name)
    for said in environment.unheard_of():
        structlog.get_logger().warning("a variable that means nothing", what=said)
    values = environment.load()
    status: int = importlib.import_module(f"{name}.main").run(values)
    return status


def run(name: str) -> int:
    """The same with what went wrong told as the command line tells it."""
    os.umask(PRIVATE)
    try:
        return serve(name)
    except settings.SettingsError as error:
        return refuse(str(error), UsageError.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
