"""CPU time of the stack's processes, from their pid files and `/proc` (Linux)."""

import os
import re
from pathlib import Path

PROC = Path("/proc")


def processes(data_dir: Path) -> dict[str, int]:
    """Name → pid, of `DATA_DIR/run/*.pid` (PROTOCOL.md section 6)."""
    found = {}
    for path in sorted((data_dir / "run").glob("*.pid")):
        text = path.read_text().strip()
        if text.isdigit():
            found[path.stem] = int(text)
    return found


def used_s(pid: int) -> float | None:
    """Seconds of CPU, user and system, its threads included (10 ms steps); None where
    there is no such process, or no `/proc`. See proc_pid_stat(5), fields 14 and 15.
    """
    fields = _stat(pid)
    if fields is None:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spent_s(pid: int) -> float:
    """Seconds of CPU that a process and all those below it have used so far, those that
    have ended included; 0 where there is no such process. Fields 14 to 17.
    """
    fields = _stat(pid)
    if fields is None:
        return 0.0
    ticks = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    below = PROC / str(pid) / "task" / str(pid) / "children"
    try:
        children = below.read_text().split()
    except OSError:  # it has just ended, or a kernel doesn't tell
        return ticks
    return ticks + sum(spent_s(int(child)) for child in children)


def ran_s(pid: int) -> float:
    """Seconds of CPU of the threads that it has now, to the nanosecond; 0 where there
    is no such process (Documentation/scheduler/sched-stats.rst).
    """
    each = (PROC / str(pid) / "task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in each) / 1e9


def _stat(pid: int) -> list[str] | None:
    """What follows the name: field 3 and on."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()


def snapshot(data_dir: Path) -> dict[tuple[str, int], float]:
    """(name, pid) → seconds used."""
    pids = processes(data_dir)
    taken = {(name, pid): used_s(pid) for name, pid in pids.items()}
    return {key: value for key, value in taken.items() if value is not None}


def by_service(
    before: dict[tuple[str, int], float], after: dict[tuple[str, int], float]
) -> dict[str, float]:
    """Seconds used between two snapshots, `gateway-1` and `gateway-2` added up.

    A process that was restarted in between counts with what its successor used.
    """
    used: dict[str, float] = {}
    for key, value in after.items():
        service = re.sub(r"-\d+\Z", "", key[0])
        used[service] = used.get(service, 0) + value - before.get(key, 0)
    return used


def rss_bytes(pid: int) -> int:
    """Resident memory; 0 where there is no such process. See proc_pid_statm(5)."""
    try:
        fields = (PROC / str(pid) / "statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def pss_bytes(pid: int) -> int:
    """Resident memory, of what is shared a share; 0 where there is no such process, or
    it is another user's. See proc_pid_smaps(5).
    """
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def passed_bytes(pid: int) -> tuple[int, int]:
    """What a process has read and written so far, sockets and files alike; 0 where
    there is no such process, or it is another user's. See proc_pid_io(5).
    """
    try:
        text = (PROC / str(pid) / "io").read_text()
    except OSError:
        return 0, 0
    said = dict(line.split(": ") for line in text.splitlines())
    return int(said["rchar"]), int(said["wchar"])
