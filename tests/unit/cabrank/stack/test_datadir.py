import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cabrank.errors import UsageError
from cabrank.stack.datadir import DataDir, Remembered

HOLD = """
import sys, time
from pathlib import Path
from cabrank.stack.datadir import DataDir
held = DataDir(Path(sys.argv[1])).lock()
print("held", flush=True)
if sys.argv[2:] == ["leave-a-child"]:
    import os, subprocess
    subprocess.Popen(["sleep", "0.3"], pass_fds=[held])
    os._exit(0)
time.sleep(60)
"""


def hold(root: Path, *more: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), *more],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.fixture
def directory(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.make()
    return made


def test_it_is_for_its_owner_alone(directory: DataDir) -> None:
    assert stat.S_IMODE(directory.root.stat().st_mode) == 0o700
    directory.remember(Remembered(nats_port=1))
    assert stat.S_IMODE(directory.state_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o777, 0o701])
def test_one_that_was_open_to_others_is_closed_and_that_is_told(
    tmp_path: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(mode)
    directory = DataDir(root)
    directory.make()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    said = f"The data directory {root} was open to others ({mode:04o}): it is 0700 now."
    assert capsys.readouterr().err == said + "\n"
    directory.make()
    assert capsys.readouterr().err == ""


def test_one_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    root = Path("/usr")  # root's
    if os.geteuid() == 0:
        root = tmp_path
        os.chown(root, 4711, -1)
    before = root.stat().st_mode
    with pytest.raises(UsageError, match=r"belongs to .*: run this as .*--data-dir"):
        DataDir(root).make()
    assert root.stat().st_mode == before
    assert list(root.iterdir()) == [] or root == Path("/usr")


def test_one_that_all_share_is_not_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(UsageError, match="others' too"):
        DataDir(tmp_path).make()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_a_directory_that_another_process_holds_is_refused(directory: DataDir) -> None:
    holder = hold(directory.root)
    try:
        with pytest.raises(UsageError, match=f"in use by process {holder.pid}"):
            directory.lock()
    finally:
        holder.kill()
        holder.communicate()
    os.close(directory.lock())


def test_the_children_of_a_dead_holder_are_waited_for(directory: DataDir) -> None:
    holder = hold(directory.root, "leave-a-child")
    assert holder.wait(10) == 0
    os.close(directory.lock())
    holder.communicate()


def test_what_was_remembered_is_recalled(directory: DataDir) -> None:
    state = Remembered(4333, "postgresql://a:b@c/d", "http://127.0.0.1:8000")
    directory.remember(state)
    assert directory.recall() == state


@pytest.mark.parametrize("text", ["", "[]", '{"other": 1}', "\0"])
def test_an_unreadable_memory_is_an_empty_one(directory: DataDir, text: str) -> None:
    directory.state_file.write_text(text)
    assert directory.recall() == Remembered()


def test_a_file_in_the_way_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't be made: "):
        DataDir(tmp_path / "file").make()
