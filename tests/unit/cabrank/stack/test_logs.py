"""Logs are bounded, and nothing that was written is lost on the way."""

import os
from pathlib import Path

from cabrank.stack import logs


def appender(path: Path) -> int:
    """As a child has it (cabrank/stack/supervisor.py)."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def test_a_log_that_is_too_large_begins_anew_and_is_kept_once(tmp_path: Path) -> None:
    log = tmp_path / "gateway-1.log"
    child = appender(log)
    written = b""
    try:
        for number in range(300):
            line = b"%d " % number + b"x" * 100 + b"\n"
            written += line
            os.write(child, line)
            logs.look(tmp_path, 1000)
            total = sum(path.stat().st_size for path in tmp_path.iterdir())
            assert total <= 2 * (1000 + len(line))
    finally:
        os.close(child)
    kept = (tmp_path / "gateway-1.log.1").read_bytes() + log.read_bytes()
    assert written.endswith(kept)
    assert len(kept) > 1000
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gateway-1.log",
        "gateway-1.log.1",
    ]


def test_a_small_log_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 1000)
    (tmp_path / "b.txt").write_bytes(b"x" * 5000)
    logs.look(tmp_path, 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "b.txt"]


def test_without_room_for_a_copy_the_log_goes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 2000)
    (tmp_path / "a.log.1.new").symlink_to("/dev/full")
    logs.look(tmp_path, 1000)
    assert log.stat().st_size == 0
