"""The pod in which an operator's commands run on Kubernetes."""

from pathlib import Path

from runtime import settings
from tests.contract.helm.chart import environ, of_kind, pods, render


def test_nobody_has_an_operator_s_pod_without_asking_and_it_finds_every_process(
    tmp_path: Path,
) -> None:
    manifests = render(tmp_path)
    assert of_kind(manifests, "Deployment")["operator"]["spec"]["replicas"] == 0
    (pod,) = (pod for name, pod in pods(manifests) if name == "operator")
    names = of_kind(manifests, "Service")
    found = set()
    for url in environ(pod)[settings.variable("metrics_urls")].split(","):
        host, _, port = url.removeprefix("http://").partition(":")
        spec = names[host.removeprefix("city-cabrank-")]["spec"]
        assert (spec["clusterIP"], spec["ports"][0]["port"]) == ("None", int(port))
        found |= {
            name
            for name, doc in of_kind(manifests, "Deployment").items()
            if spec["selector"].items()
            <= doc["spec"]["template"]["metadata"]["labels"].items()
        }
    assert found == {"gateway", "dispatcher", "persistence", "webhooks"}


def test_it_is_let_in_where_others_are_named(tmp_path: Path) -> None:
    peer = {"podSelector": {"matchLabels": {"app": "other"}}}
    given = {"networkPolicy": {"clientsFrom": [peer], "metricsFrom": [peer]}}
    policies = of_kind(render(tmp_path, given), "NetworkPolicy")
    for rule in policies["gateway"]["spec"]["ingress"]:
        assert rule["from"][0] == peer
        told = rule["from"][1]["podSelector"]["matchLabels"]
        assert told["app.kubernetes.io/component"] == "operator"
