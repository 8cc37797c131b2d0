"""CPU of one command through the code of all three services, without NATS and sockets.

    python -m tests.bench.hot_path --before TREE

Request, accept, begin, complete of one trip after the other: the session reads the
frame, the batcher decides, the record is encoded, events are read back and framed, and
become rows. Trees take turns in processes of their own; the least CPU time of each
counts, which a busy machine moves little.
"""

import gc
import itertools
import json
import statistics
import sys
import time
from typing import Any

TRIPS = 100
REPEATS = 9
NOW_MS = 1_795_255_200_000


def user_limits() -> dict[str, Any]:
    """Never reached, always counted; none in a tree from before there were any."""
    try:
        from schemas.allowances import Rate, UserLimits  # noqa: PLC0415
    except ImportError:
        return {}
    high = Rate(1e6, 4_000_000)
    return {"users": UserLimits(high, high, high, high, high)}


def accounts(users: dict[str, Any]) -> list[Any]:
    if not users:
        return []
    from schemas.allowances import Allowances  # noqa: PLC0415

    return [Allowances(users["users"])]


def measure() -> float:
    """Least CPU-µs a command of `REPEATS` tries."""
    from dispatcher.engine.batch import Batcher, Writer  # noqa: PLC0415 - the tree's own
    from dispatcher.engine.engine import Engine, Limits  # noqa: PLC0415
    from dispatcher.engine.feed import feed_entry  # noqa: PLC0415
    from dispatcher.region.inbox import read  # noqa: PLC0415
    from gateway import framing  # noqa: PLC0415
    from gateway.fanout import channel  # noqa: PLC0415
    from gateway.limits import Limits as Bounds  # noqa: PLC0415
    from gateway.session.machine import Now, Session, Shared  # noqa: PLC0415
    from persistence.projected.projection import event_values, read_record  # noqa: PLC0415
    from schemas import codec  # noqa: PLC0415
    from schemas.claims import Claims  # noqa: PLC0415
    from schemas.events import TripPush  # noqa: PLC0415
    from schemas.trips import Role  # noqa: PLC0415

    ids = (f"{number:032x}" for number in itertools.count(1))
    users = user_limits()

    def session(role: Role) -> Session:
        who = role.value
        names = (who, who, who, who)
        claims = Claims(*names, role, "main", "s", NOW_MS / 1000, NOW_MS / 1000 + 900)
        bounds = Bounds(frames_per_s=1e9, frames_burst=1e9)
        shared = Shared(lambda *_: claims, ids, bounds, *accounts(users))
        made = Session(shared, Now(0, NOW_MS))
        made.identify(claims)
        return made

    def run() -> float:
        rider, driver = session(Role.RIDER), session(Role.DRIVER)
        ttls = {"request_ttl_ms": 300_000, "trip_room_ttl_ms": 300_000}
        engine = Engine("main", Limits(**ttls, **users))
        batcher = Batcher(engine, Writer("0" * 32, 1, "me"), 2)
        where = (
            b'"pick_up_address":"14 Main Street","drop_off_address":"2 Station Road"'
        )
        started = time.process_time()
        for number in range(TRIPS):
            now_ms = NOW_MS + number
            trip = b""
            for kind in (b"request", b"accept", b"begin", b"complete"):
                data = b'"id":"%b"' % trip if trip else where
                frame = b'{"type":"trip.%b","ref":"1","data":{%b}}' % (kind, data)
                who = driver if trip else rider
                (action,) = who.receive(frame, Now(number, now_ms))
                payload = b"[%b]" % codec.encode(action.command)
                reply, (command,) = read("main", b"reply.g.main", payload)
                assert batcher.take(reply, command, now_ms)
                batch = batcher.close()
                (event,) = batch.events
                push = codec.decode(batch.encoded[0], TripPush)
                framing.event(push.type, push.seq, push.trip)
                entry = feed_entry(event)
                if entry is not None:
                    channel.frame(codec.decode(codec.encode(entry), type(entry)))
                (row,), _ = read_record("LEDGER_main", batch.n, batch.payload)
                event_values(row)
                framing.reply("1", batch.entries[0].answer.data)
                batcher.delivered(batch)
                trip = event.trip.id.encode()
        return (time.process_time() - started) / TRIPS / 4 * 1e6

    gc.disable()
    return min(run() for _ in range(REPEATS))


def main() -> None:
    if "--here" in sys.argv:
        print(json.dumps(measure()))
        return
    from tests.bench.turns import compared  # noqa: PLC0415 - not in all trees

    seen = compared(__file__, __doc__, 10)
    for name, values in seen.items():
        least, median = min(values), statistics.median(values)
        print(f"{name:>7}: {least:.2f} CPU-µs a command at least, median {median:.2f}")
    if "before" in seen:
        print(f"ratio of the least: {min(seen['now']) / min(seen['before']):.4f}")


if __name__ == "__main__":
    main()
