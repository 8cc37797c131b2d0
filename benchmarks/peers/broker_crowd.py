"""The benchmark's crowd as clients of a broker: `python broker_crowd.py NAME`."""

import sys

from brokers.table import BROKERS

from cabrank.trial.bench import crowd

if __name__ == "__main__":
    crowd.main(next(one.connect for one in BROKERS if one.name == sys.argv[1]))
