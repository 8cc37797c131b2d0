"""`python -m cabrank`: what `up` starts its children with."""

import os
import sys

from cabrank.stack import tether

if __name__ == "__main__":
    # Before anything slow is imported: a child whose `up` died meanwhile is no use.
    tether.attach(os.environ.pop(tether.VARIABLE, ""))
    from cabrank.main import run

    sys.exit(run())
