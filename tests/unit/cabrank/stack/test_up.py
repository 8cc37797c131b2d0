from pathlib import Path

import pytest

from cabrank.stack.datadir import DataDir, Remembered
from cabrank.stack.up import database_url

POSTGRES = "postgresql://host/db"


@pytest.fixture
def directory(tmp_path: Path) -> DataDir:
    made = DataDir(tmp_path / "data")
    made.make()
    return made


def test_the_database_is_the_embedded_one_by_default(directory: DataDir) -> None:
    assert database_url(directory, None) == f"sqlite:///{directory.root}/cabrank.db"


def test_the_option_wins_over_the_setting(
    directory: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CABRANK_DATABASE_URL", "postgresql://setting/db")
    assert database_url(directory, POSTGRES) == POSTGRES
    assert database_url(directory, None) == "postgresql://setting/db"


def test_a_second_start_goes_on_with_the_database_of_the_first(
    directory: DataDir,
) -> None:
    directory.remember(Remembered(database_url=POSTGRES))
    assert database_url(directory, None) == POSTGRES


def test_a_change_of_database_is_told(
    directory: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert database_url(directory, POSTGRES) == POSTGRES
    assert capsys.readouterr().err == ""
    directory.remember(Remembered(database_url=""))
    assert database_url(directory, POSTGRES) == POSTGRES
    assert "used with another database" in capsys.readouterr().err
