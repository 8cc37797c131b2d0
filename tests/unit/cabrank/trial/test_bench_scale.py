"""`cabrank bench scale`: what follows from what was measured, and the page of it."""

from pathlib import Path

import pytest

from cabrank.errors import UsageError
from cabrank.operate.users import evenly
from cabrank.trial.bench.fleet_orders import Lived
from cabrank.trial.bench.scale import page, plot
from cabrank.trial.bench.scale.command import USUAL, cases
from cabrank.trial.bench.scale.fleets import latencies_ms, together
from cabrank.trial.bench.scale.found import SERVICES, Case, Cell, Trips, merged
from cabrank.trial.bench.scale.measure import bases, regions
from cabrank.trial.bench.scale.model import (
    Assumed,
    Line,
    Model,
    limits,
    line,
    needs,
)

DOCS = Path(__file__).resolve().parents[4] / "docs"


def trips(cpu_ms: float, told: float = 0.0) -> Trips:
    cost = dict.fromkeys(SERVICES, cpu_ms + told)
    return Trips(100, 10.0, cost, 5.0, 20.0, 1024.0, 2048.0, 4096.0, 3072.0)


def cell(drivers: int, gateways: int = 1, region_count: int = 1) -> Cell:
    """A driver takes 10 ppm of a core, a trip .5 ms, a trip told to all 5 us more for
    each driver; a region 1 % of the dispatcher's core.
    """
    standing = dict.fromkeys(SERVICES, drivers * 1e-5)
    standing["dispatcher"] += 0.01 * region_count
    return Cell(
        case=Case(drivers, gateways, region_count),
        load=1.5,
        every_s=4.0,
        standing=standing,
        moving_in=100.0 * drivers,
        moving_out=200.0 * drivers,
        connect_ms=1.0,
        offers=trips(0.5),
        broadcast=trips(0.5, drivers * 5e-3),
        rss={"nats": 2**24, "gateway-1": 2**26 + drivers * 8192, "gateway-2": 0}
        | {"dispatcher-1": 2**26, "persistence-1": 2**27, "webhooks-1": 2**26},
    )


CELLS = [
    *(cell(count) for count in (1000, 5000, 15_000)),
    cell(5000, 4),
    *(cell(5000, 1, count) for count in (8, 64)),
]


# ---- lines ---------------------------------------------------------------------


def test_line_goes_through_what_was_measured() -> None:
    made = line([(1.0, 3.0), (2.0, 5.0), (4.0, 9.0)])
    assert made.base == pytest.approx(1.0)
    assert made.slope == pytest.approx(2.0)
    assert made.reaches(11.0) == pytest.approx(5.0)


def test_line_through_one_point_begins_at_nothing() -> None:
    assert line([(10.0, 5.0)]) == Line(0.0, 0.5)


def test_what_falls_by_chance_is_its_mean_and_never_reaches() -> None:
    made = line([(1.0, 3.0), (2.0, 1.0)])
    assert made == Line(2.0, 0.0)
    assert made.reaches(5.0) is None


def test_nothing_is_below_nothing_where_nobody_is() -> None:
    assert line([(1.0, 1.0), (3.0, 9.0)]).base == 0.0


# ---- the model -----------------------------------------------------------------


def test_thousand_cities_are_a_thousand_times_what_one_takes() -> None:
    found = needs(Model(CELLS), Assumed(1000, 1000, 3.6))
    assert found.drivers == 1_000_000
    assert found.trips_per_s == pytest.approx(1000.0)
    by_service = {one.service: one for one in found.services}
    # 10 cores for those who move, .5 for a thousand trips of .5 ms.
    assert by_service["nats"].cores == pytest.approx(10.5)
    assert by_service["dispatcher"].cores == pytest.approx(20.5)  # and 1,000 regions
    assert by_service["nats"].processes == 15  # of .7
    assert by_service["gateway"].processes == 67  # of 15,000 sessions
    assert by_service["gateway"].memory == pytest.approx(67 * 2**26 + 8192 * 1e6)
    assert found.nats_in == pytest.approx(100e6 + 1024e3)
    assert found.ledger == pytest.approx(4096e3 * 86_400)


def test_what_breaks_first_comes_first() -> None:
    found = limits(Model(CELLS), Assumed())
    assert [one.drivers for one in found] == sorted(one.drivers for one in found)
    by_name = {one.what: one.drivers for one in found}
    assert by_name["open files of one gateway"] == 15_000
    told = by_name["a core of nats, trips told to all"]
    per_s = told * 2 / 3600
    assert told * 1e-5 + per_s * (0.5 + told * 5e-3) / 1000 == pytest.approx(0.7)


# ---- the page ------------------------------------------------------------------


def test_page_has_a_row_for_every_case() -> None:
    written = page.page(CELLS)
    assert written.count("| 5,000 | 4 | 1 |") == 4  # cost twice, moving, memory
    assert "| 15,000 | 1 | 1 |" in written
    assert "1,000 cities of 1,000 drivers" in written
    assert "None." in written


def test_what_went_wrong_is_on_the_page() -> None:
    wrong = cell(1000)
    wrong.lost, wrong.troubles = 2, {"refused": 3}
    written = page.page([wrong])
    assert "- 1,000, 1, 1: 3 times: refused" in written
    assert "- 1,000, 1, 1: 2 trips didn't end in time" in written


def test_a_case_measured_again_takes_the_place_of_what_was_kept(
    tmp_path: Path,
) -> None:
    path = tmp_path / "SCALING.md"
    page.write(path, [cell(5000), cell(1000)])
    again = cell(1000)
    again.load = 9.0
    cells = page.write(path, [again])
    assert [one.case.drivers for one in cells] == [1000, 5000]
    assert page.read(path.with_suffix(".json")) == cells
    assert "load was 1.5 to 9" in path.read_text()
    assert merged([], []) == page.read(tmp_path / "nothing.json")


def test_page_of_the_docs_is_what_its_figures_make() -> None:
    cells = page.read(DOCS / "SCALING.json")
    assert {one.case for one in cells} >= set(USUAL)
    assert (DOCS / "SCALING.md").read_text() == page.page(cells)


def test_it_is_drawn(tmp_path: Path) -> None:
    plot.draw(CELLS, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


# ---- what is asked for ---------------------------------------------------------


def test_cases_are_all_combinations_or_the_usual_ones() -> None:
    assert cases(None, None, None) == list(USUAL)
    assert cases([10, 20], None, [1, 2]) == [
        Case(10, 1, 1),
        Case(10, 1, 2),
        Case(20, 1, 1),
        Case(20, 1, 2),
    ]


def test_region_without_a_driver_is_refused() -> None:
    with pytest.raises(UsageError, match="8 regions can't share 4 drivers"):
        cases([4], None, [8])


def test_users_are_spread_evenly_over_regions() -> None:
    assert evenly(5, ["a", "b", "c"]) == [("a", 2), ("b", 2), ("c", 1)]
    assert evenly(1, ["a", "b"]) == [("a", 1)]


def test_gateways_follow_one_another_and_regions_have_names() -> None:
    assert bases("http://127.0.0.1:8000", 2) == [
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8001",
    ]
    assert regions(3) == ["main", "r2", "r3"]


def test_trip_heard_of_in_another_process_is_timed_from_its_request() -> None:
    mine = Lived(1, 1, requests=2, asked_s={"a": 10.0, "b": 11.0}, heard_s={"a": 10.5})
    theirs = Lived(2, 1, lost=1, heard_s={"a": 10.2, "b": 11.4}, troubles={"x": 1})
    made = together([mine, theirs])
    assert sorted(made.waits_s) == pytest.approx([0.2, 0.4])
    assert (made.seconds, made.lost, made.requests) == (2, 1, 2)
    assert latencies_ms(made) == pytest.approx((200.0, 400.0))
