"""The cookie by which a device is known that logged in before: it lets nobody in, but
somebody else's guesses don't use up its own (persistence/identity/devices.py).

HTTP sets it; it also counts where it comes with the handshake of a socket on which a
password follows. Pure.
"""

import re
from collections.abc import Iterable

NAME = "cabrank_device"
MAX_AGE_S = 90 * 86_400
"""As long as it is remembered."""
_NAMED = re.compile(rf";\s*{NAME}=([A-Za-z0-9_-]{{22,64}})\s*(?=;|\Z)")


def named(cookies: Iterable[str]) -> str:
    """What the device is called, by the values of `Cookie`; empty: it has no name, or
    one that isn't ours.
    """
    for value in cookies:
        named = _NAMED.search(";" + value)
        if named is not None:
            return named[1]
    return ""
