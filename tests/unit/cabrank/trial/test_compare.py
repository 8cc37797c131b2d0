"""tests/bench/compare: another revision's files, and what ratios say."""

import subprocess
import sys
from pathlib import Path

import pytest

from cabrank.errors import UsageError
from cabrank.trial.bench import cpu
from cabrank.trial.bench.rows import Row, Sheet
from tests.bench.compare import revisions
from tests.bench.compare.__main__ import EXAMPLE, options, wanted
from tests.bench.compare.jobs import JOBS
from tests.bench.compare.ratios import Compared, Comparison, of_sheet


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "requirements.lock").write_text("a==1\n")
    (root / "fact.txt").write_text("before\n")
    who = ("-c", "user.name=A", "-c", "user.email=a@b.example")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "Begin")):
        subprocess.run(["git", *words], cwd=root, check=True)
    (root / "fact.txt").write_text("after\n")
    return root


def quiet(_: str) -> None:
    pass


def test_base_has_the_files_of_its_commit_and_shares_the_interpreter(
    repository: Path, tmp_path: Path
) -> None:
    made = revisions.base("HEAD", quiet, repository, tmp_path / "cache")
    assert (made.tree / "fact.txt").read_text() == "before\n"
    assert made.python == Path(sys.executable)


def test_base_is_unpacked_once_and_again_where_that_was_interrupted(
    repository: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    for _ in range(2):
        made = revisions.base("HEAD", said.append, repository, tmp_path / "cache")
    assert len(said) == 1
    (made.tree / revisions.WHOLE).unlink()
    (made.tree / "fact.txt").unlink()
    made = revisions.base("HEAD", said.append, repository, tmp_path / "cache")
    assert (made.tree / "fact.txt").exists()


@pytest.mark.parametrize("revision", ["nonsense", "", "--all", "HEAD:fact.txt"])
def test_what_is_no_revision_is_said_in_a_sentence(
    repository: Path, tmp_path: Path, revision: str
) -> None:
    with pytest.raises(UsageError, match="There is no revision"):
        revisions.base(revision, quiet, repository, tmp_path / "cache")


def test_other_packages_get_an_environment_of_their_own(
    repository: Path, tmp_path: Path
) -> None:
    makefile = ".venv/.run:\n\tmkdir -p .venv/bin\n\ttouch .venv/bin/python $@\n"
    (repository / "Makefile").write_text(makefile)
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    who = ("-c", "user.name=A", "-c", "user.email=a@b.example")
    subprocess.run(["git", *who, "commit", "-qm", "Make"], cwd=repository, check=True)
    (repository / "requirements.lock").write_text("a==2\n")
    made = revisions.base("HEAD", quiet, repository, tmp_path / "cache")
    assert made.python == made.tree / ".venv" / "bin" / "python"
    assert made.python.exists()


def test_environment_that_can_not_be_made_is_no_bad_input(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "requirements.lock").write_text("a==2\n")
    with pytest.raises(revisions.BuildError) as failed:
        revisions.base("HEAD", quiet, repository, tmp_path / "cache")
    assert failed.value.exit_code == 1


def test_revision_s_packages_come_before_all_others() -> None:
    done = subprocess.run(
        [*revisions.here().program("-c", "import cabrank; print(cabrank.__file__)")],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(revisions.ROOT))


def compared(figure: str, base: list[float], now: list[float]) -> Compared:
    return Compared("job", figure, base, now)


def test_ratios_are_taken_turn_by_turn() -> None:
    row = compared("CPU-ms a trip", [1.0, 2.0, 0.0], [0.5, 3.0, 1.0])
    assert row.ratios == [0.5, 1.5]
    assert row.words[2] == "1.000 (0.500 to 1.500)"


@pytest.mark.parametrize(
    ("figure", "now", "verdict"),
    [
        ("CPU-ms a trip", 0.9, "better"),
        ("CPU-ms a trip", 1.1, "worse"),
        ("trips/s", 1.1, "better"),
        ("trips/s", 0.9, "worse"),
    ],
)
def test_verdict_where_all_turns_agree(figure: str, now: float, verdict: str) -> None:
    assert compared(figure, [1.0] * 5, [now] * 5).verdict == verdict
    assert compared(figure, [1.0] * 5, [now] * 4 + [2.0 - now]).verdict == ""


def test_few_turns_have_no_verdict() -> None:
    assert compared("trips/s", [1.0] * 4, [2.0] * 4).verdict == ""


def test_figure_that_only_one_knows_is_left_out() -> None:
    found = Comparison()
    found.add("job", {"both": 1.0, "new": 1.0}, base=False)
    found.add("job", {"both": 2.0, "old": 1.0}, base=True)
    assert [row.figure for row in found.rows] == ["both"]


def test_rows_of_a_benchmark_are_called_as_the_comparison_does() -> None:
    rows = [Row("p50", "", [1.0, 3.0, 2.0]), Row("p99", "", []), Row("x", "", [1.0])]
    sheet = Sheet("fanout", "", rows, 0, {}, {})
    assert of_sheet(sheet, {"p50": "soon", "p99": "late"}) == {"soon": 2.0}


def test_unknown_benchmark_is_refused_by_name() -> None:
    assert [job.name for job in wanted(["path", "fanout"])] == ["fanout", "path"]
    assert wanted([]) == list(JOBS)
    with pytest.raises(UsageError, match="'nonsense'"):
        wanted(["nonsense"])


@pytest.mark.parametrize("rounds", ["0", "101", "many"])
def test_bad_number_of_rounds_is_refused(rounds: str) -> None:
    with pytest.raises(SystemExit) as refused:
        options().parse_args(["HEAD", "--rounds", rounds])
    assert refused.value.code == 2


def test_help_lists_the_benchmarks_and_an_example() -> None:
    text = options().format_help()
    assert EXAMPLE in text
    assert all(job.name in text for job in JOBS)


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_cpu_and_memory_of_processes_that_are_none_are_nothing() -> None:
    assert cpu.spent_s(2**30) == 0.0
    assert cpu.pss_bytes(2**30) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_cpu_of_children_that_have_ended_counts() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    script = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "-c", {busy!r}])
print(flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu.spent_s(process.pid) >= 0.3
        assert cpu.pss_bytes(process.pid) > 0
        process.communicate()
