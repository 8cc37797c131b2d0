"""cabrank beside its peers: the strongest that pass messages on to WebSockets, round by
round, and taxi services written with what people come from (the part `services`).

Writes docs/BENCHMARKS.md from docs/BENCHMARKS.json. A run adds its rounds to those
that are there, so that a machine that is quiet for minutes at a time gives them one
after the other; --anew forgets those before.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import infra
import page
import parts
import plot
import services
from brokers.broker import Broker
from brokers.table import BROKERS
from peers import PEERS
from rounds import OURS, Round

from cabrank.trial.load import LoadError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "BENCHMARKS.md"
ROUNDS_MAX = 100
SERVICES = "services"
EXAMPLE = 'Example: make peers ARGS="--part fanout --only Bun --rounds 3"'


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def there(brokers: Sequence[Broker]) -> list[Broker]:
    """Those that are installed; the others are left out in a line each."""
    found = []
    for broker in brokers:
        why = broker.lacking()
        if why is None:
            found.append(broker)
        else:
            say(f"{broker.name} is left out: {why}.")
    return found


def check(only: Sequence[str]) -> None:
    """Raises: LoadError: a part of a name that none has."""
    names = [OURS, *(broker.name for broker in BROKERS), *(peer.name for peer in PEERS)]
    for text in only:
        if not any(wanted([text], name) for name in names):
            known = "; ".join(names)
            raise LoadError(f"There is no peer {text!r}; there are {known}.")


def wanted(only: Sequence[str], name: str) -> bool:
    return not only or any(text.lower() in name.lower() for text in only)


def a_round(
    part: parts.Part, brokers: Sequence[Broker], size: parts.Size, number: int
) -> Round:
    """Each in turn; who begins changes with each round."""
    made = Round(part.name, round(os.getloadavg()[0], 1))
    began_s = time.monotonic()
    turns = [(OURS, parts.ours)]
    turns += [
        (broker.name, parts.theirs(broker))
        for broker in brokers
        if broker.recovers or not part.recovery
    ]
    at = number % len(turns)
    for name, start in turns[at:] + turns[:at]:
        say(f"[{time.monotonic() - began_s:4.0f} s] {part.name}: {name}")
        turn = parts.measured(part, start, size)
        made.figures[name] = turn.figures
        if turn.troubles:
            made.troubles[name] = turn.troubles
            say(f"  {turn.troubles}")
    return made


def positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= ROUNDS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not within 1 and {ROUNDS_MAX}.")
    return number


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make peers ARGS=…",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(part.name for part in parts.PARTS), SERVICES]
    parser.add_argument(
        "--part",
        action="append",
        choices=names,
        default=[],
        help="may be repeated; default: all",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="peers whose name holds this; cabrank has its turn in every round",
    )
    parser.add_argument("--rounds", type=positive, default=1, help="of each part")
    parser.add_argument(
        "--runs", type=positive, default=3, help="of each job of ours in `services`"
    )
    parser.add_argument("--anew", action="store_true", help="forget earlier rounds")
    parser.add_argument("--quick", action="store_true", help="tiny: see that it runs")
    parser.add_argument("--to", type=Path, default=PAGE, help="the page to write")
    return parser


def the_services(given: argparse.Namespace, kept: page.Kept) -> None:
    began_s = time.monotonic()
    sizes = services.Sizes(quick=given.quick, runs=given.runs)
    kept.services, kept.earlier = services.measured(
        sizes, partial(wanted, given.only), kept.services
    )
    kept.drivers, kept.spent_s = sizes.drivers, time.monotonic() - began_s
    plot.draw(kept.services, given.to.parent / "benchmarks.png")


def run(given: argparse.Namespace) -> None:
    check(given.only)
    brokers = there([one for one in BROKERS if wanted(given.only, one.name)])
    kept = page.read(given.to.with_suffix(".json"))
    names = given.part or [*(part.name for part in parts.PARTS), SERVICES]
    if given.anew:
        kept.rounds = [one for one in kept.rounds if one.part not in names]
    size = parts.QUICK if given.quick else parts.Size()
    for part in parts.PARTS:
        for _ in range(given.rounds if part.name in names else 0):
            number = sum(one.part == part.name for one in kept.rounds)
            kept.rounds.append(a_round(part, brokers, size, number))
            page.write(given.to, kept)
    if SERVICES in names:
        the_services(given, kept)
    page.write(given.to, kept)
    print(f"{given.to} written")


def main() -> int:
    try:
        run(options().parse_args())
    except (LoadError, infra.InfraError) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
