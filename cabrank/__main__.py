"""`python -m cabrank`: what `up` starts its children with."""

import gc
import os
import sys

from cabrank.stack import tether

if __name__ == "__main__":
    # Before anything slow is imported: a child whose `up` died meanwhile is no use.
    tether.attach(os.environ.pop(tether.VARIABLE, ""))
    # Python's (700, 10, 10) walks what imports make over and over: a tenth of a start,
    # and then 4 % of a gateway's CPU (docs/BENCHMARKS.md).
    gc.set_threshold(5_000, 10, 5)
    from cabrank import services

    if len(sys.argv) == 2 and sys.argv[1] in services.NAMES:  # noqa: PLR2004
        sys.exit(services.run(sys.argv[1]))
    from cabrank.main import run

    sys.exit(run())
