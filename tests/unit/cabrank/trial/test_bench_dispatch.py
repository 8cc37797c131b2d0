"""`cabrank bench dispatch`: evenings in virtual time."""

import json
import math
from pathlib import Path

import pytest

from cabrank.errors import UsageError
from cabrank.trial.bench.dispatch import people, trying
from cabrank.trial.bench.dispatch.city import Manhattan, Own, Place
from cabrank.trial.bench.dispatch.command import settings_of
from cabrank.trial.bench.dispatch.evening import Figures, dice, gini
from cabrank.trial.bench.dispatch.people import Answer, People, accepted_share
from cabrank.trial.bench.dispatch.trying import POLICIES
from runtime.settings import SettingsError
from tests.contract.cabrank.commands import Shell, assert_refused

CITY = Manhattan()
SATURATED = trying.Load(CITY, 600.0, 600.0, 1_800.0)
SHORT = trying.Load(CITY, 600.0, 200.0, 600.0)


def run(
    policy: str,
    drivers: int = 60,
    seed: int = 0,
    *settings: str,
    load: trying.Load = SHORT,
) -> trying.Outcome:
    return trying.Case(policy, drivers, seed).run(load, settings_of([*settings]))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_seed_gives_the_same_figures(policy: str) -> None:
    assert run(policy) == run(policy)
    assert run(policy).figures != run(policy, seed=1).figures


def test_pairs_serve_more_and_sooner_than_what_they_are_held_against() -> None:
    """At saturation, where policies differ."""
    figures = {policy: run(policy, 100, load=SATURATED).figures for policy in POLICIES}
    pairs = figures.pop("pairs")
    capped = figures.pop("capped")
    assert capped.empty_km < pairs.empty_km  # what the cap's relaxing comes to
    for other in figures.values():
        assert pairs.served > other.served
        assert pairs.wait_s < other.wait_s
        assert pairs.empty_km < other.empty_km


def test_settings_change_the_figures() -> None:
    usual = run("pairs").figures
    for changed in (
        "IDLE_CREDIT=0",
        "PICK_UP_MAX_S=60",
        "MATCH_WINDOW_S=15",
        "OFFER_TTL_S=3",
        "OFFERS_MAX=1",
        "BROADCAST_AFTER_S=1",
    ):
        assert run("pairs", 60, 0, changed).figures != usual, changed
    assert run("pairs", 60, 0, "IDLE_CREDIT=0.2").figures == usual


SILENT = trying.Load(CITY, 600.0, 200.0, 600.0, silent=0.3)


def test_phones_that_say_nothing_make_the_settings_of_them_matter() -> None:
    """And where none is silent, all is as it was."""

    def figures(load: trying.Load, *settings: str) -> Figures:
        return run("pairs", 80, 0, *settings, load=load).figures

    usual = figures(SILENT)
    assert usual.served < figures(SHORT).served
    # Who is asked in vain holds the rider up.
    in_vain = figures(SILENT, "POSITION_MAX_AGE_S=1000")
    assert in_vain.served < usual.served
    assert in_vain.offers > usual.offers
    often = figures(SILENT, "MISSED_OFFERS_MAX=1000", "POSITION_MAX_AGE_S=1000")
    seldom = figures(SILENT, "MISSED_OFFERS_MAX=1", "POSITION_MAX_AGE_S=1000")
    assert often.offers > seldom.offers


def test_so_many_phones_are_silent_for_minutes_at_a_time() -> None:
    people = People(0, 0.25)
    spells = [people.is_silent(driver, 1_000.0) for driver in range(2_000)]
    assert sum(spells) == pytest.approx(500, abs=60)
    (driver, *_) = [number for number, silent in enumerate(spells) if silent]
    times = [t for t in range(4_000) if people.is_silent(driver, t)]
    assert len(times) >= 240
    assert not any(People(0).is_silent(driver, t) for t in range(4_000))


def test_idle_credit_spreads_the_work() -> None:
    load = trying.Load(CITY, 600.0, 300.0, 900.0)
    without = run("pairs", 150, 0, "IDLE_CREDIT=0", load=load)
    assert run("pairs", 150, load=load).figures.gini < without.figures.gini


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([], 0), ([0, 0], 0), ([5, 5, 5], 0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25)],
)
def test_the_gini_coefficient(values: list[float], wanted: float) -> None:
    assert gini(values) == pytest.approx(wanted)


# ---- people --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "share"), [(0, 0.92), (4, 0.92), (9.5, 0.685), (15, 0.45), (60, 0)]
)
def test_drivers_accept_less_of_what_is_farther(minutes: float, share: float) -> None:
    assert accepted_share(minutes * 60) == pytest.approx(share)
    somebody = People(3)
    answers = [somebody.answer(n, 7, minutes * 60)[0] for n in range(4_000)]
    accepted = answers.count(Answer.ACCEPT) / len(answers)
    assert accepted == pytest.approx(share, abs=0.03)
    silent = answers.count(Answer.NONE) / len(answers)
    assert silent == pytest.approx(people.SILENT, abs=0.02)


def test_riders_leave_after_one_to_five_minutes_or_on_hearing_of_a_long_way() -> None:
    somebody = People(3)
    waits = [somebody.patience_s(n) for n in range(4_000)]
    assert 60 <= min(waits) < 70
    assert 290 < max(waits) <= 300
    stay = [somebody.stays(n, 600) for n in range(4_000)]
    leaving = (600 / people.LONG_ETA_S) ** 2
    assert 1 - sum(stay) / len(stay) == pytest.approx(leaving, abs=0.02)
    assert all(somebody.stays(n, 0) for n in range(100))


# ---- the city ------------------------------------------------------------------


def test_the_city_is_manhattan_in_the_evening() -> None:
    requests = CITY.requests(dice(0, "demand"), 1_500, 4 * 3_600)
    assert 5_700 < len(requests) < 6_300
    assert [one.at_s for one in requests] == sorted(one.at_s for one in requests)
    for one in requests:
        for place in (one.pick_up, one.drop_off):
            assert 40.69 < place.lat < 40.88
            assert -74.03 < place.lon < -73.90
    minutes = [CITY.seconds(one.pick_up, one.drop_off) / 60 for one in requests]
    assert 7 < sum(minutes) / len(minutes) < 11


def test_the_grid_is_longer_than_the_great_circle() -> None:
    here, there = Place(40.75, -73.99, 0), Place(40.78, -73.96, 0)
    straight_km = math.hypot(0.03 * 111.2, 0.03 * 111.2 * math.cos(math.radians(40.77)))
    assert straight_km < CITY.km(here, there) < straight_km * math.sqrt(2)


def test_its_data_tell_where_they_are_from() -> None:
    folder = Path(people.__file__).parent / "manhattan"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "pyhailing" in (folder / "README.md").read_text()


# ---- an operator's own ---------------------------------------------------------

ROWS = """time,pick-up latitude,longitude,drop-off latitude,longitude
2026-11-28T17:00:05Z,59.91,10.75,59.93,10.72
2026-11-28T17:00:00+00:00,59.92,10.76,59.95,10.77
2026-11-28T17:30:00Z,59.90,10.74,59.91,10.79
"""


def own(tmp_path: Path, text: str) -> Own:
    path = tmp_path / "demand.csv"
    path.write_text(text)
    return Own(path, 1.3, 30.0)


def test_a_city_of_ones_own_is_read_from_csv(tmp_path: Path) -> None:
    city = own(tmp_path, ROWS)
    requests = city.requests(dice(0, "demand"), 1, 10_000)
    assert [one.at_s for one in requests] == [0, 5, 1_800]
    assert requests[0].pick_up == Place(59.92, 10.76)
    far_km = city.km(requests[0].pick_up, requests[0].drop_off)
    assert far_km == pytest.approx(3.38 * 1.3, rel=0.01)
    assert city.seconds(requests[0].pick_up, requests[0].drop_off) == pytest.approx(
        far_km / 30 * 3_600
    )


def test_seconds_are_a_time_too(tmp_path: Path) -> None:
    city = own(tmp_path, "60,1,2,3,4\n90.5,1,2,3,4\n")
    assert [one.at_s for one in city.requests(dice(0, "demand"), 1, 99)] == [0, 30.5]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no requests"),
        ("time,a,b,c,d\n", "has no requests"),
        ("1,2,3,4\n", "line 1: it has 4 fields, not 5"),
        ("1,2,3,4,five5\n", "line 1: time, latitude and longitude"),
        ("1,1,1,1,1\n2,91,0,0,0\n", "line 2: that is no place on earth"),
        ("1,0,0,0,181\n", "line 1: that is no place on earth"),
        ("1,nan,0,0,0\n", "line 1: that is no place on earth"),
        ("soon1,0,0,0,0\n", "line 1: the time 'soon1' is neither"),
        ("inf,0,0,0,1\n", "line 1: the time 'inf' is neither"),
        ("2026-11-28T17:00:05,0,0,0,0\n", "is neither RFC 3339"),
    ],
)
def test_a_bad_file_is_told_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        own(tmp_path, text)
    assert told in str(raised.value)


def test_a_file_that_isnt_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        Own(tmp_path / "nothing.csv", 1.3, 25)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no CSV text"):
        Own(tmp_path / "bytes.csv", 1.3, 25)


# ---- settings ------------------------------------------------------------------


def test_settings_are_given_one_by_one_or_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.env"
    path.write_text("# ours\nexport CABRANK_IDLE_CREDIT=0.5\nCABRANK_DETOUR='1.5'\n")
    read = settings_of([str(path), "CABRANK_DETOUR=2", "speed_kmh=30"])
    assert (read.idle_credit, read.detour, read.speed_kmh) == (0.5, 2, 30)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("CABRANK_IDLE_KREDIT=1", "the nearest is CABRANK_IDLE_CREDIT"),
        ("nowhere.env", "can't be read as settings"),
    ],
)
def test_what_is_no_setting_is_told(given: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings_of([given])


def test_a_value_that_doesnt_fit_is_told() -> None:
    with pytest.raises(SettingsError, match="CABRANK_IDLE_CREDIT is 'much'"):
        settings_of(["CABRANK_IDLE_CREDIT=much"])


# ---- the command ---------------------------------------------------------------


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


TINY = ("bench", "dispatch", "--drivers", "20", "--seeds", "1", "--hours", "0.2")


def test_the_command_prints_a_table_and_draws(shell: Shell, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    done = shell.run(*TINY, "--warm-up", "0", "--rate", "60", "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    assert "Manhattan" in done.stdout
    for policy in POLICIES:
        assert policy in done.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_command_varies_a_setting(shell: Shell, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    tiny = (*TINY, "--warm-up", "0", "--rate", "600")
    vary = ("--vary", "CABRANK_pick_up_max_s=30, 480")
    done = shell.run(*tiny, *vary, "--json", "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    few, all_ = json.loads(done.stdout)
    assert (few["value"], all_["value"]) == ("30", "480")
    assert few["policy"] == all_["policy"] == "pairs"
    assert few["figures"]["served"] < all_["figures"]["served"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    table = shell.run(*tiny, *vary).stdout
    assert "PICK_UP" in table
    assert "480" in table


def test_the_command_tries_a_file_of_requests(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "demand.csv"
    path.write_text(ROWS)
    done = shell.run(*TINY[:6], "--demand", str(path), "--policy", "pairs", "--json")
    assert done.returncode == 0, done.stderr
    [outcome] = json.loads(done.stdout)
    assert outcome["figures"]["requests"] == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--policy", "random"), "There is no policy 'random': broadcast, nearest"),
        (("--demand", "nowhere.csv"), "nowhere.csv can't be read"),
        (("--settings", "IDLE_CREDIT=-1"), "CABRANK_IDLE_CREDIT is '-1'"),
        (("--vary", "IDLE_CREDIT=0,-1"), "CABRANK_IDLE_CREDIT is '-1'"),
        (("--vary", "IDLE_CREDIT"), "'IDLE_CREDIT' is not NAME=VALUE,VALUE"),
        (("--vary", "IDLE_CREDIT=1,,2"), "is not NAME=VALUE,VALUE"),
        (("--vary", "NOTHING=1"), "CABRANK_NOTHING"),
        (
            ("--vary", "IDLE_CREDIT=0", "--policy", "pairs", "--policy", "nearest"),
            "--vary takes one --policy",
        ),
    ],
)
def test_bad_options_are_one_sentence_and_status_2(
    shell: Shell, options: tuple[str, ...], told: str
) -> None:
    assert_refused(shell.run(*TINY, *options), saying=told)
