"""A program for a release's own code: what a gateway of it takes from what a leader
publishes.

Standard input: a line with the users, `[[id, role], …]`, then a line a message,
`[subject, payload]`. Standard output: `{"gaps": …, "unread": …, "heard": …}`: messages
after which something is asked for again; how many it can't read, which it passes over;
and the types of what goes to clients, by user and of `drivers`, the feed.
"""

PROGRAM = """
import json, sys
sys.path.insert(0, {folder!r})
from gateway.feed import Feed
from gateway.recipient import Recipient
from schemas import codec
from schemas.commands import SyncData
from schemas.events import FeedEntry, UserPush
from schemas.trips import Role

state = {{"seq": 0, "feed": 0, "trips": [], "open_trips": [], "recovered": False,
         "events": [], "online": True}}
known = {{}}
for user, role in json.loads(sys.stdin.readline()):
    known[user] = Recipient(user, Role(role))
    known[user].start(codec.decode(json.dumps(state).encode(), SyncData))
feed = Feed()
feed.start(0)
gaps, heard, unread = [], {{}}, 0
for line in sys.stdin:
    subject, payload = json.loads(line)
    kind, _, who = subject.partition(".main")
    who = who.lstrip(".") or "drivers"
    if kind == "drivers":
        entries = feed.receive(codec.decode(payload.encode(), list[FeedEntry]))
        heard.setdefault(who, []).extend(entry.type for entry in entries)
        gaps += [line] if feed.has_gap else []
    elif kind == "user":
        try:
            push = codec.decode(payload.encode(), UserPush)
        except codec.CodecError:
            unread += 1
            continue
        if known[who].receive(push) is not None:
            heard.setdefault(who, []).append(push.type)
        gaps += [line] if known[who].held is not None else []
print(json.dumps(dict(gaps=gaps, unread=unread, heard=heard)))
"""
