"""`cabrank bench matching` measures; how fast anything is nobody promises here."""

import pytest

from cabrank.trial.bench import matching
from cabrank.trial.bench.matching import AREAS, TRIPS, Area, measure


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "TRIPS", 10)
    for name in AREAS:
        sheet = measure(name, 60, 1)
        assert len(sheet.rows) == 6
        assert all(row.values[0] > 0 for row in sheet.rows)


def test_what_is_measured_is_matches() -> None:
    area = Area(AREAS["town, 60 km²"], 300)
    assert area.match() == area.match_together() == TRIPS
    assert len(area.positions.free) == 300
    area.move()
    assert area.hear() == 300
    area.all_busy()
    assert len(area.positions.free) == 0
