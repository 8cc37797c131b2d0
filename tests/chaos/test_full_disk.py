"""A nats-server whose store failed is started again by `up` once there is room."""

from pathlib import Path

import pytest

from cabrank.stack import fulldisk
from cabrank.stack.fulldisk import Patient
from cabrank.stack.supervisor import Supervised
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.chaos
LIMIT_S = 60
LINE = "[7] [ERR] Filestore [LEDGER_main] Critical write error: write: no space left\n"


async def test_a_server_that_could_not_write_is_started_again(tmp_path: Path) -> None:
    """Also where it could not while the others were being started."""
    stack = Stack(tmp_path / "data")
    stack.begin()
    try:
        await until(lambda: "nats" in stack.pids(), "a server", LIMIT_S)
        first = cannot_write(stack)
        stack.started()
        await stack.restarted("nats", first)
        await stack.restarted("nats", cannot_write(stack))
        await stack.ready()
    finally:
        stack.stop()


def cannot_write(stack: Stack) -> int:
    """Say so in the server's name; its pid."""
    pid = stack.pid("nats")
    with (stack.data_dir / "logs" / "nats.log").open("a") as log:
        log.write(LINE)
    return pid


class Log:
    """As much of a server as a patient is."""

    def __init__(self, path: Path) -> None:
        self.log = path
        path.write_text(LINE)

    def says(self, text: str) -> None:
        self.log.write_text(self.log.read_text() + text)


def test_nothing_is_started_again_without_cause_without_room_or_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "nats.log")
    server: Supervised = log  # type: ignore[assignment]
    patient = Patient(server, tmp_path)
    assert not patient.is_to_start_again(), "that line was there before"
    log.says("[7] [INF] Server is ready\n")
    assert not patient.is_to_start_again()
    monkeypatch.setattr(fulldisk, "ROOM_BYTES", 1 << 62)
    log.says(LINE)
    assert not patient.is_to_start_again()
    monkeypatch.setattr(fulldisk, "ROOM_BYTES", 1)
    assert patient.is_to_start_again()
    assert not patient.is_to_start_again()


def test_a_disk_that_was_full_is_cause_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log may lie on the same disk."""
    server: Supervised = Log(tmp_path / "nats.log")  # type: ignore[assignment]
    patient = Patient(server, tmp_path)
    monkeypatch.setattr(fulldisk, "FULL_BYTES", 1 << 62)
    monkeypatch.setattr(fulldisk, "ROOM_BYTES", 1 << 63)
    assert not patient.is_to_start_again()
    monkeypatch.setattr(fulldisk, "FULL_BYTES", 1)
    monkeypatch.setattr(fulldisk, "ROOM_BYTES", 1)
    assert patient.is_to_start_again()
