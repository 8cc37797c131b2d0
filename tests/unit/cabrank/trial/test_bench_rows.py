import platform
import sys
from pathlib import Path

import pytest
import typer

from cabrank.trial.bench import output, worker
from cabrank.trial.bench.connections import CLIENTS_MAX, _shares
from cabrank.trial.bench.cpu import rss_bytes
from cabrank.trial.bench.fanout import CROWD, Job
from cabrank.trial.bench.rows import Row, Sheet, middle
from cabrank.trial.bench.subject import Subject, per_cpu_s, subject
from cabrank.trial.bench.tasks import Count
from cabrank.trial.load import LoadError
from schemas.codec import decode


def sheet() -> Sheet:
    made = Sheet("fanout", "10 drivers", [], 0, {}, {})
    made.row("a", "deliveries", aim="5").values.extend([1.0, 3.0, 2.0])
    return made


def test_one_run_has_no_spread() -> None:
    assert middle([1234.56], 1) == "1,234.6"
    assert middle([1.0, 5.0, 2.0], 0) == "2 (1 to 5)"


def test_row_is_made_once() -> None:
    made = sheet()
    made.row("a", "deliveries").values.append(9.0)
    assert [row.name for row in made.rows] == ["a"]
    assert made.rows[0].median == 2.5


def test_row_without_values_says_so() -> None:
    assert Row("a", "s", []).words == "-"


def test_cpu_and_troubles_add_up() -> None:
    made = sheet()
    for _ in range(2):
        made.burn({"gateway": 0.5})
        made.blame({"rate_limited": 3})
    assert made.cpu_s == {"gateway": 1.0}
    assert made.troubles == {"rate_limited": 6}


def test_json_holds_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    output.show([sheet()], as_json=True, plot=None)
    read = decode(capsys.readouterr().out.encode(), list[Sheet])
    assert read == [sheet()]


def test_table_shows_figure_and_aim(capsys: pytest.CaptureFixture[str]) -> None:
    output.show([sheet()], as_json=False, plot=None)
    shown = capsys.readouterr().out
    assert "2 (1 to 3)" in shown
    assert "losses 0" in shown
    assert f"Python {platform.python_version()} of {sys.base_prefix}" in shown


def test_losses_end_with_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    made = sheet()
    made.losses = 1
    with pytest.raises(typer.Exit) as ended:
        output.show([made], as_json=False, plot=None)
    assert ended.value.exit_code == 1
    assert "losses 1" in capsys.readouterr().out


def test_plot_is_a_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output.show([sheet()], as_json=False, plot=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out


def test_clients_are_split_over_processes_that_hold_them() -> None:
    assert _shares(10) == [10]
    assert _shares(CLIENTS_MAX) == [CLIENTS_MAX]
    assert sum(_shares(19_000)) == 19_000
    assert max(_shares(19_000)) <= CLIENTS_MAX


def test_every_request_of_a_phase_has_a_rider() -> None:
    assert Job(10, 1, 3, 2, 20, 1, 5).riders == 40
    assert Job(10, 1, 300, 2, 20, 1, 500).riders == 500


def test_nothing_per_no_cpu_is_no_error() -> None:
    assert per_cpu_s(100, 0.0) == 0
    assert per_cpu_s(100, 0.5) == 200


def test_memory_of_no_process_is_nothing() -> None:
    assert rss_bytes(2**22 + 1) == 0


def test_running_system_needs_its_directory() -> None:
    with (
        pytest.raises(LoadError, match="--data-dir"),
        subject("http://127.0.0.1:1", None, lambda _: None),
    ):
        pass


def test_gateway_that_can_not_be_found_is_no_figure_of_zero(tmp_path: Path) -> None:
    system = Subject("http://127.0.0.1:1", tmp_path, lambda *_: [])
    with (
        worker.running(*CROWD) as crowd,
        pytest.raises(LoadError, match="No gateway's pid"),
    ):
        system.measured(sheet(), crowd, Count())


def test_crowd_that_dies_is_told() -> None:
    with (
        worker.running(*CROWD) as crowd,
        pytest.raises(LoadError, match="ended with status 1"),
    ):
        crowd.tell(b"no task")
