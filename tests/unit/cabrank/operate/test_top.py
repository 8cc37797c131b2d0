import math
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from cabrank.errors import UsageError
from cabrank.operate.top.figures import Frame, Target, compute
from cabrank.operate.top.sample import Sample, interpolate, parse
from cabrank.operate.top.scrape import behind, by_urls
from cabrank.operate.top.view import render

AT = "2026-11-21T10:00:00Z"


def dispatcher(leads: int, epoch: int, commands: int, started: float = 1) -> str:
    return f"""
process_start_time_seconds {started}
cabrank_dispatcher_leads{{region="main"}} {leads}
cabrank_dispatcher_epoch{{region="main"}} {epoch}
cabrank_dispatcher_commands_total{{region="main",kind="accept",outcome="ok"}} {commands}
cabrank_dispatcher_commands_total{{region="main",kind="accept",outcome="driver_busy"}} 7
cabrank_dispatcher_unwritten_seconds{{region="main"}} {40 if leads else 0}
cabrank_dispatcher_unwritten_records{{region="main"}} {9 if leads else 0}
cabrank_dispatcher_trips{{region="main",status="STARTED"}} 3
cabrank_dispatcher_lag_records{{region="main"}} {0 if leads else 5}
"""


def offering(accepted: int, declined: int) -> str:
    """The same of a leader that has drivers to offer trips to."""
    ended = 'cabrank_dispatcher_offers_ended_total{region="main",end='
    state = 'cabrank_dispatcher_drivers{region="main",state='
    return f"""{dispatcher(1, 5, 100)}
cabrank_dispatcher_offers_made_total{{region="main"}} {accepted + declined + 3}
{ended}"accepted"}} {accepted}
{ended}"declined"}} {declined}
{ended}"expired"}} 7
{ended}"cancelled"}} 99
{state}"free"}} 12
{state}"offered"}} 3
{state}"busy"}} 40
{state}"stale"}} 2
{state}"offline"}} 5
cabrank_dispatcher_oldest_open_seconds{{region="main"}} 33.4
"""


GATEWAY = """
process_start_time_seconds 1
cabrank_gateway_connections{role="driver"} 4
cabrank_gateway_connections{role="rider"} 2
cabrank_gateway_nats_connected 0
cabrank_gateway_deliveries_total{from="feed"} 10
"""
TARGETS = [
    Target("dispatcher-1", "dispatcher", "d1"),
    Target("dispatcher-2", "dispatcher", "d2"),
    Target("gateway-1", "gateway", "g1"),
]


def samples(at_s: float, **texts: str) -> dict[str, Sample]:
    return {address: parse(text, at_s) for address, text in texts.items()}


def shown(frame: Frame) -> str:
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render(frame))
    return captured.get()


def test_a_frame_has_leaders_rates_and_lags() -> None:
    before = samples(10, d1=dispatcher(1, 5, 100), d2=dispatcher(0, 3, 0), g1=GATEWAY)
    now = samples(12, d1=dispatcher(1, 5, 150), d2=dispatcher(0, 3, 0), g1=GATEWAY)
    frame = compute(AT, TARGETS, now, before)
    (region,) = frame.regions
    assert (region.leader, region.epoch, region.standbys) == (
        "dispatcher-1",
        5,
        ["dispatcher-2"],
    )
    assert (region.commands_per_s, region.refused_per_s) == (25, 0)
    assert (region.unwritten_records, region.unwritten_s) == (9, 40)
    assert region.standby_lag_records == 5
    assert region.trips == {"STARTED": 3}
    assert frame.connections == {"driver": 4, "rider": 2}
    gateway = frame.processes[2]
    assert (gateway.connections, gateway.sent_per_s, gateway.is_cut_off) == (6, 0, True)
    text = shown(frame)
    assert "no NATS" in text
    assert "9 rec, 40.0 s" in text
    assert "2 riders" in text


def test_a_frame_has_drivers_by_state_and_how_offers_go() -> None:
    before = samples(10, d1=offering(10, 5))
    now = samples(13, d1=offering(16, 7), d2=dispatcher(0, 3, 0))
    (region,) = compute(AT, TARGETS, now, before).regions
    states = {"free": 12, "offered": 3, "busy": 40, "stale": 2, "offline": 5}
    assert region.drivers == states
    assert region.offers_per_min == pytest.approx(160)
    assert region.accepted_share == pytest.approx(0.75)
    assert region.oldest_open_s == pytest.approx(33.4)
    text = shown(compute(AT, TARGETS, now, before))
    for word in ("12", "40", "160", "75 %", "33 s"):
        assert word in text


def test_where_no_offer_ended_or_nobody_leads_there_is_no_share() -> None:
    (region,) = compute(
        AT, TARGETS, samples(13, d1=offering(1, 0)), samples(10, d1=offering(1, 0))
    ).regions
    assert (region.accepted_share, region.offers_per_min) == (None, 0)
    (region,) = compute(AT, TARGETS, samples(1, d2=dispatcher(0, 3, 0)), {}).regions
    assert (region.drivers, region.oldest_open_s) == ({}, None)
    assert (region.accepted_share, region.offers_per_min) == (None, None)


def test_of_two_leaders_the_one_of_the_later_epoch_is_shown() -> None:
    now = samples(12, d1=dispatcher(1, 5, 1), d2=dispatcher(1, 9, 1))
    (region,) = compute(AT, TARGETS, now, {}).regions
    assert (region.leader, region.standbys) == ("dispatcher-2", ["dispatcher-1"])


def test_a_process_that_began_anew_has_no_rates_and_none_below_zero() -> None:
    before = samples(10, d1=dispatcher(1, 5, 900), d2=dispatcher(0, 1, 0))
    now = samples(12, d1=dispatcher(1, 7, 10, started=2), d2=dispatcher(0, 1, 0))
    (region,) = compute(AT, TARGETS, now, before).regions
    assert region.commands_per_s == 0


def test_who_does_not_answer_is_named_and_nothing_falls_over() -> None:
    frame = compute(AT, TARGETS, {}, {})
    assert frame.regions == []
    assert [process.is_up for process in frame.processes] == [False] * 3
    text = shown(frame)
    assert "no dispatcher answers" in text
    assert "no answer: dispatcher-1, dispatcher-2, gateway-1" in text


def test_a_region_without_a_leader_says_so() -> None:
    frame = compute(AT, TARGETS, samples(1, d2=dispatcher(0, 3, 0)), {})
    (region,) = frame.regions
    assert region.leader is None
    assert region.commands_per_s is None


@pytest.mark.parametrize(
    ("buckets", "q", "expected"),
    [
        ({0.1: 0, 0.2: 10, math.inf: 10}, 0.5, 0.15),
        ({0.1: 10, 0.2: 10, math.inf: 10}, 0.99, 0.099),
        ({0.1: 1, math.inf: 10}, 0.99, 0.1),
        ({0.1: 0, math.inf: 0}, 0.5, math.nan),
        ({}, 0.5, math.nan),
    ],
)
def test_a_quantile_lies_within_its_bucket(
    buckets: dict[float, float], q: float, expected: float
) -> None:
    assert interpolate(buckets, q) == pytest.approx(expected, nan_ok=True)


def test_a_metrics_address_may_leave_out_scheme_and_path() -> None:
    (target,) = by_urls(["10.0.0.7:9000"])()
    assert target.address == "http://10.0.0.7:9000/metrics"
    (target,) = by_urls(["https://a.example/m"])()
    assert target.address == "https://a.example/m"


def test_a_name_stands_for_all_of_its_addresses() -> None:
    url = urlsplit("http://dispatcher:9000/metrics")
    told = behind(url, ["172.18.0.4", "172.18.0.5"])
    assert [(one.name, one.address) for one in told] == [
        ("dispatcher 172.18.0.4", "http://172.18.0.4:9000/metrics"),
        ("dispatcher 172.18.0.5", "http://172.18.0.5:9000/metrics"),
    ]
    for addresses in ([], ["172.18.0.4"]):
        (target,) = behind(url, addresses)
        assert target == Target("dispatcher:9000", "", url.geturl())
    (secure,) = behind(urlsplit("https://d/metrics"), ["172.18.0.4", "172.18.0.5"])
    assert secure.address == "https://d/metrics"


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://[x", "a:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="is no URL of metrics"):
        by_urls([url])
