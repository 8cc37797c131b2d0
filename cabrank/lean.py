"""To be imported before whatever imports structlog: that takes rich along, where it is
installed, for a console that nobody here writes to (0.15 s and 6 MB of each process).
Who wants rich itself has it as ever.
"""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
