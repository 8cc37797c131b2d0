"""What the chart gives to the Prometheus operator, held against rules and alerts."""

from pathlib import Path

import pytest
import yaml

from tests.contract.helm.chart import CHART, Manifest, of_kind, render

PROMETHEUS = CHART.parents[1] / "observe" / "prometheus"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    values = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    return render(tmp_path_factory.mktemp("helm"), values)


def test_all_three_services_are_found(watched: list[Manifest]) -> None:
    (monitor,) = of_kind(watched, "PodMonitor").values()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("ops", "/metrics")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    for doc in of_kind(watched, "Deployment").values():
        assert wanted <= doc["spec"]["template"]["metadata"]["labels"].items()


def test_a_pod_s_job_is_what_the_alerts_take_it_for(watched: list[Manifest]) -> None:
    (monitor,) = of_kind(watched, "PodMonitor").values()
    label = monitor["spec"]["jobLabel"]
    jobs = {
        doc["spec"]["template"]["metadata"]["labels"][label]
        for name, doc in of_kind(watched, "Deployment").items()
        if name != "operator"  # it has no metrics
    }
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert jobs == {each["job_name"] for each in config["scrape_configs"]}
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        assert endpoint.keys() == {"port", "path", "interval"}, "none relabels it"


def test_every_rule_and_alert_is_given(watched: list[Manifest], tmp_path: Path) -> None:
    (given,) = of_kind(watched, "PrometheusRule").values()
    groups = given["spec"]["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    ours = [
        rule
        for name in ("rules", "alerts")
        for group in yaml.safe_load((PROMETHEUS / f"{name}.yml").read_text())["groups"]
        for rule in group["rules"]
    ]
    assert [rule for group in groups for rule in group["rules"]] == ours
    assert not {"PodMonitor", "PrometheusRule"} & {
        doc["kind"] for doc in render(tmp_path)
    }, "they are there where asked for"
