"""The supervisor with real children: small Python programs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cabrank.errors import StackError
from cabrank.stack import tether
from cabrank.stack.datadir import DataDir
from cabrank.stack.supervisor import Children, Launch, Supervised
from tests.support.stack import alive
from tests.support.waiting import until

LIVE = "import signal; signal.pause()"
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    signal.pause()
"""


async def says_ready() -> None:
    return None


async def never_ready() -> str:
    return "is a test"


def program(code: str, probe: object = says_ready) -> Callable[[], Launch]:
    return lambda: Launch([sys.executable, "-c", code], os.environ, probe)  # type: ignore[arg-type]


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    directory = DataDir(tmp_path / "data")
    directory.make()
    lock = directory.lock()
    made = Children(directory, lock)
    yield made
    made.close()
    os.close(lock)


@pytest.fixture
async def failed() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def pid_of(one: Supervised) -> int:
    return int(one._pid_file.read_text()) if one._pid_file.exists() else 0


async def begun(
    name: str,
    children: Children,
    launch: Callable[[], Launch],
    failed: asyncio.Future[None],
) -> Supervised:
    one = Supervised(name, children, launch)
    one.begin(failed)
    await until(lambda: pid_of(one), "a pid file")
    return one


async def test_what_is_killed_runs_again_under_a_new_pid(
    children: Children, failed: asyncio.Future[None]
) -> None:
    one = await begun("one", children, program(LIVE), failed)
    await one.ready()
    before = pid_of(one)
    os.kill(before, signal.SIGKILL)
    await until(lambda: pid_of(one) != before, "another pid")
    assert alive(pid_of(one))
    assert not alive(before)
    await one.stop(5)


async def test_a_stopped_one_is_gone_and_so_is_its_pid_file(
    children: Children, failed: asyncio.Future[None]
) -> None:
    one = await begun("one", children, program(LIVE), failed)
    pid = pid_of(one)
    assert await one.stop(5)
    assert not alive(pid)
    assert not pid_of(one)
    assert not failed.done()


async def test_one_that_does_not_listen_is_killed(
    children: Children, failed: asyncio.Future[None]
) -> None:
    one = await begun("deaf", children, program(DEAF), failed)
    await until(lambda: one.log.read_text() == "deaf\n", "its word")
    pid = pid_of(one)
    assert not await one.stop(0.1)
    assert not alive(pid)


async def test_one_that_waits_to_be_started_again_can_be_stopped(
    children: Children, failed: asyncio.Future[None]
) -> None:
    one = await begun("one", children, program("raise SystemExit(3)"), failed)
    one._ready = True  # it may go on dying for ever
    await until(lambda: one._restarts.failures >= 4, "four deaths")
    assert await one.stop(5)
    assert not pid_of(one)


async def test_one_that_never_gets_ready_is_given_up_with_its_last_words(
    children: Children, failed: asyncio.Future[None]
) -> None:
    code = "print('no such luck', flush=True); raise SystemExit(3)"
    one = Supervised("unlucky", children, program(code, never_ready))
    one.begin(failed)
    with pytest.raises(StackError, match="exited with status 3 5 times") as raised:
        await asyncio.wait_for(failed, 10)
    assert str(raised.value).endswith("no such luck")
    assert one.log.read_text().count("no such luck") == 5


async def test_a_program_that_does_not_exist_is_told(
    children: Children, failed: asyncio.Future[None]
) -> None:
    launch = Launch(["/no/such/program"], os.environ, says_ready)
    one = Supervised("nobody", children, lambda: launch)
    one.begin(failed)
    with pytest.raises(StackError, match="nobody can't be started"):
        await asyncio.wait_for(failed, 10)


async def test_a_terminals_ctrl_c_does_not_reach_the_children(
    children: Children, failed: asyncio.Future[None]
) -> None:
    one = await begun("one", children, program(LIVE), failed)
    assert os.getpgid(pid_of(one)) == pid_of(one) != os.getpgid(0)
    await one.stop(5)


# ---- a parent that is killed -------------------------------------------------

PARENT = """
import asyncio, os, sys
from pathlib import Path
from cabrank.stack.stack import tether
from cabrank.stack.datadir import DataDir
from cabrank.stack.supervisor import Children

async def main():
    directory = DataDir(Path(sys.argv[1]))
    directory.make()
    children = Children(directory, directory.lock())
    argv = [sys.executable, "-I", "-S", tether.__file__, sys.executable, "-c",
            "import signal; signal.pause()"]
    process = await children.start("child", argv, os.environ)
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""


async def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(root)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        command = Path(f"/proc/{child}/cmdline")
        await until(lambda: b"pause" in command.read_bytes(), "the exec")
        await until(lambda: b"tether" not in command.read_bytes(), "tether's own end")
        assert alive(child)
        parent.kill()
    await until(lambda: not alive(child), "the child's death")
    os.close(DataDir(root).lock())


async def test_without_prctl_a_watcher_kills_the_child_when_the_pipe_ends() -> None:
    reading, writing = os.pipe()
    code = (
        "import signal, sys; from cabrank.stack.stack import tether; "
        "tether.attach(sys.argv[1], prctl=False); "
        "print('tied', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, f"{os.getpid()}:{reading}"],
        pass_fds=[reading],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        os.close(reading)
        assert child.stdout is not None
        assert child.stdout.readline() == "tied\n"
        os.close(writing)
        assert child.wait(10) == -signal.SIGKILL


async def test_a_watcher_leaves_when_what_it_watches_has_ended() -> None:
    reading, writing = os.pipe()
    code = (
        "import sys; from cabrank.stack.stack import tether; "
        "tether.attach(sys.argv[1], prctl=False); print('tied')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, f"{os.getpid()}:{reading}"],
        pass_fds=[reading],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        os.close(reading)
        # Standard output ends only when the watcher, who has a copy, is gone as well.
        assert child.communicate(timeout=10)[0] == "tied\n"
        assert child.returncode == 0
    os.close(writing)


def test_a_process_that_up_did_not_start_is_left_alone() -> None:
    tether.attach("")
