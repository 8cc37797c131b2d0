import os
import subprocess
import sys
from pathlib import Path

import pytest

from cabrank.trial.bench import cpu

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="CPU is read from /proc"
)


def test_cpu_of_a_process_is_what_it_used() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used = cpu.used_s(process.pid)
        process.communicate(b"\n")
    assert used is not None
    assert 0.25 <= used < 5


def test_cpu_of_no_process_is_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert cpu.used_s(process.pid) is None


def test_pid_files_name_the_processes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "gateway-1.pid").write_text(f"{os.getpid()}\n")
    (run / "nats.pid").write_text("")
    assert cpu.processes(tmp_path) == {"gateway-1": os.getpid()}
    assert list(cpu.snapshot(tmp_path)) == [("gateway-1", os.getpid())]


def test_processes_of_one_service_are_added_up() -> None:
    before = {("gateway-1", 1): 1.0, ("gateway-2", 2): 2.0, ("nats", 3): 0.5}
    after = {("gateway-1", 1): 1.5, ("gateway-2", 2): 2.25, ("nats", 3): 0.5}
    assert cpu.by_service(before, after) == {"gateway": 0.75, "nats": 0.0}


def test_restarted_process_counts_with_what_its_successor_used() -> None:
    before = {("dispatcher-1", 1): 9.0}
    after = {("dispatcher-1", 7): 0.25}
    assert cpu.by_service(before, after) == {"dispatcher": 0.25}


def test_what_a_process_ran_is_read_to_the_nanosecond() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ran = cpu.ran_s(process.pid)
        process.communicate(b"\n")
    assert 0.25 <= ran < 5
    assert cpu.ran_s(process.pid) == 0
