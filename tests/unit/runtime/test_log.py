"""What a process's standard error holds: a line of JSON each."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging, threading
import structlog
from runtime import log, tracing
log.configure("tester", "info")
ours = structlog.get_logger()
ours.debug("not shown")
ours.info("plain", trip="t")
with tracing.request(tracing.begin("x", "00-" + "a" * 32 + "-" + "b" * 16 + "-00")):
    ours.info("in a request")
    logging.getLogger("other").warning("a library in a request")
def elsewhere():
    logging.getLogger("other").error("a library's %s", "thread")
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
logging.getLogger("other").info("not shown")
"""


def lines() -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_json_and_says_its_service_and_its_trace() -> None:
    plain, traced, library, thread = lines()
    assert all(line["service"] == "tester" for line in (plain, traced, library, thread))
    assert (plain["event"], plain["trip"], plain["level"]) == ("plain", "t", "info")
    assert "trace_id" not in plain
    for line in (traced, library):
        assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)
    assert library["logger"] == "other"
    assert (thread["event"], thread["level"]) == ("a library's thread", "error")
    assert "trace_id" not in thread
