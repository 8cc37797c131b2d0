"""The Helm chart: rendered by helm, held against Kubernetes' own schemas, and against
what the services really read, listen on and answer.
"""

import importlib.metadata
import ipaddress
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from cabrank.main import app
from gateway import metrics
from runtime import environment, settings
from runtime.lifecycle import DRAIN_MAX_S
from runtime.nats_login import seed_file
from schemas import streams
from schemas.permissions import Service
from tests.contract.helm.chart import (
    CHART,
    KUBERNETES,
    Manifest,
    environ,
    helm,
    of_kind,
    pods,
    render,
)

SERVICES = {"gateway", "dispatcher", "persistence", "webhooks"}
WITH_DATABASE = {"persistence", "operator", "migration"}
SCALED: dict[str, Any] = {
    "regions": ["north", "south"],
    "gateway": {"autoscaling": {"connections": 5000}},
    "persistence": {"autoscaling": {"enabled": True}},
}
LOCKED: dict[str, Any] = {
    "nats": {
        "url": "tls://nats-0:4222,tls://nats-1:4222",
        "monitoringUrls": ["http://nats-0:8222", "http://nats-1:8222"],
    },
    "secrets": {"natsCa": {"name": "nats-ca"}, "database": {"ca": "ca.crt"}},
    "imagePullSecrets": [{"name": "registry"}],
    "ingress": {"enabled": True, "className": "haproxy", "tlsSecret": "city-tls"},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {
        "clientsFrom": [{"namespaceSelector": {"matchLabels": {"edge": "yes"}}}],
        "natsTo": [{"podSelector": {"matchLabels": {"app": "nats"}}}],
        "databaseTo": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "settings": {"CABRANK_REQUEST_TTL_S": "60"},
    "dispatcher": {
        "settings": {"CABRANK_LOG_LEVEL": "debug"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dispatch", "operator": "Exists"}],
    },
}
BARE: dict[str, Any] = {
    "secrets": {"natsSeeds": {"name": ""}},
    "gateway": {"autoscaling": {"enabled": False}, "replicas": 3},
    "migration": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "serviceAccount": {"create": False},
}
WAYS = {"default": {}, "scaled": SCALED, "locked": LOCKED, "bare": BARE}
CUSTOM = {"ScaledObject", "PodMonitor", "PrometheusRule"}
"""Kinds that aren't Kubernetes' own: looked at by tests of their own."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    folder = tmp_path_factory.mktemp("helm")
    return {way: render(folder, values) for way, values in WAYS.items()}


def test_helm_s_linter_has_nothing_to_say(tmp_path: Path) -> None:
    for values in WAYS.values():
        done = helm(tmp_path, "lint", "--strict", str(CHART), values=values)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_kubernetes_takes_every_manifest(
    rendered: dict[str, list[Manifest]], way: str
) -> None:
    assert rendered[way]
    for doc in rendered[way]:
        if doc["kind"] not in CUSTOM:
            kubernetes_validate.validate(doc, KUBERNETES, strict=True)


def test_a_manifest_with_a_mistake_would_not_pass(
    rendered: dict[str, list[Manifest]],
) -> None:
    doc = of_kind(rendered["default"], "Deployment")["gateway"]
    wrong = {**doc, "spec": {**doc["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("way", WAYS)
def test_every_variable_is_a_setting_and_the_services_take_them(
    rendered: dict[str, list[Manifest]], way: str, tmp_path: Path
) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "url").write_text("postgresql://cabrank@db/cabrank")
    known = {settings.variable(f) for f in settings.Settings.__struct_fields__}
    for name, pod in pods(rendered[way]):
        given = environ(pod)
        for variable in given:
            assert variable in known | {f"{each}_FILE" for each in known}, variable
        here = {k: v.replace("/etc/cabrank", str(tmp_path)) for k, v in given.items()}
        read = environment.load(here)
        if name in WITH_DATABASE:
            assert read.database_url.startswith("postgresql://"), name
        assert settings.variable("database_url") not in given


@pytest.mark.parametrize("way", WAYS)
def test_what_a_variable_names_is_mounted(
    rendered: dict[str, list[Manifest]], way: str
) -> None:
    for name, pod in pods(rendered[way]):
        (container,) = pod["containers"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        files = set()
        for mount in container["volumeMounts"]:
            secret = volumes.pop(mount["name"]).get("secret", {})
            for item in secret.get("items", []):
                files.add(f"{mount['mountPath']}/{item['path']}")
        assert not volumes, "all are mounted"
        named = {v for v in environ(pod).values() if v.startswith("/etc/cabrank/")}
        assert named <= files
        unnamed = {file for file in files - named if "/verify/" not in file}
        by_url = way == "locked" and name in WITH_DATABASE
        wanted = {"/etc/cabrank/database/ca.crt"} if by_url else set()
        if name == "operator" and way != "bare":
            wanted.add("/etc/cabrank/nats/dispatcher.nk")  # rebuild --new-ledger
        assert unnamed == wanted


def test_a_service_is_given_its_own_seed_alone_and_an_operator_two(
    rendered: dict[str, list[Manifest]],
) -> None:
    for name, pod in pods(rendered["default"]):
        seeds = [
            item["key"]
            for volume in pod["volumes"]
            for item in volume.get("secret", {}).get("items", [])
            if item["key"].endswith(".nk")
        ]
        own = {"operator": ["operator", "dispatcher"], "migration": []}
        wanted = [Service(each) for each in own.get(name, [name])]
        assert seeds == [seed_file(Path(), each).name for each in wanted]


def test_ports_and_probes_are_the_services_own(
    rendered: dict[str, list[Manifest]],
) -> None:
    for name, pod in pods(rendered["default"]):
        if name not in SERVICES:
            continue
        (container,) = pod["containers"]
        ports = {p["name"]: str(p["containerPort"]) for p in container["ports"]}
        given = environ(pod)
        assert ports["ops"] == given["CABRANK_OPS_PORT"]
        assert ports.get("http") == given.get("CABRANK_PORT")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            wanted = "/readyz" if probe == "readinessProbe" else "/healthz"
            assert (asked["path"], asked["port"]) == (wanted, "ops")
        stop_s = container.get("lifecycle", {"preStop": {"sleep": {"seconds": 0}}})
        slept_s = stop_s["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > slept_s + DRAIN_MAX_S
    (port,) = of_kind(rendered["default"], "Service")["gateway"]["spec"]["ports"]
    assert port["targetPort"] == "http"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_runs_as_root_or_writes_its_image(
    rendered: dict[str, list[Manifest]], way: str
) -> None:
    for _, pod in pods(rendered[way]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_every_pod_runs_a_command_there_is(
    rendered: dict[str, list[Manifest]],
) -> None:
    commands = set(typer.main.get_group(app).commands)
    running = [pod["containers"][0] for _, pod in pods(rendered["default"])]
    ran = {container["args"][0] for container in running if "args" in container}
    assert ran == SERVICES | {"migrate"}
    assert ran <= commands
    (waits,) = (one["command"] for one in running if "args" not in one)
    assert waits == ["sleep", "infinity"]


def test_the_migration_comes_before_the_services(
    rendered: dict[str, list[Manifest]],
) -> None:
    job = of_kind(rendered["default"], "Job")["migration"]
    hooks = job["metadata"]["annotations"]["helm.sh/hook"]
    assert hooks == "pre-install,pre-upgrade"
    needed = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert needed == "default", "the release's own is not there yet"


def test_gateways_scale_by_cpu_and_connections(
    rendered: dict[str, list[Manifest]],
) -> None:
    deployment = of_kind(rendered["scaled"], "Deployment")["gateway"]
    assert "replicas" not in deployment["spec"], "the autoscaler's"
    scaler = of_kind(rendered["scaled"], "HorizontalPodAutoscaler")["gateway"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    by_cpu, by_connections = scaler["metrics"]
    assert by_cpu["resource"]["name"] == "cpu"
    (family,) = metrics.CONNECTIONS.describe()
    assert by_connections["pods"]["metric"]["name"] == family.name
    assert of_kind(rendered["bare"], "Deployment")["gateway"]["spec"]["replicas"] == 3
    assert not of_kind(rendered["bare"], "HorizontalPodAutoscaler")


def test_persistence_scales_by_what_waits_in_each_ledger(
    rendered: dict[str, list[Manifest]],
) -> None:
    scaled = of_kind(rendered["scaled"], "ScaledObject")["persistence"]["spec"]
    target = of_kind(rendered["scaled"], "Deployment")["persistence"]
    assert scaled["scaleTargetRef"] == {"name": target["metadata"]["name"]}
    assert "replicas" not in target["spec"]
    assert [trigger["type"] for trigger in scaled["triggers"]] == ["nats-jetstream"] * 2
    followed = {
        (each["metadata"]["stream"], each["metadata"]["consumer"])
        for each in scaled["triggers"]
    }
    assert followed == {
        (streams.ledger(region).name, streams.WRITER_DURABLE)
        for region in ("north", "south")
    }
    # KEDA reads every value of a trigger as text.
    assert all(
        isinstance(v, str) for t in scaled["triggers"] for v in t["metadata"].values()
    )
    assert not of_kind(rendered["default"], "ScaledObject")


def test_new_users_are_of_a_region_that_is_served(
    rendered: dict[str, list[Manifest]],
) -> None:
    """Persistence's sign-ups, and a gateway's users of an outside issuer."""
    for way in WAYS:
        regions = {name: environ(pod) for name, pod in pods(rendered[way])}
        served = environment.load(
            {"CABRANK_REGIONS": regions["dispatcher"]["CABRANK_REGIONS"]}
        ).region_list()
        for name in ("gateway", "persistence"):
            assert regions[name]["CABRANK_REGION"] in served, (way, name)


def test_dispatchers_and_operators_alone_ask_whether_nats_syncs_every_write(
    rendered: dict[str, list[Manifest]],
) -> None:
    urls = settings.variable("nats_monitoring_urls")
    for way, asked in (
        ("default", []),
        ("locked", ["http://nats-0:8222", "http://nats-1:8222"]),
    ):
        policies = of_kind(rendered[way], "NetworkPolicy")
        for name, pod in pods(rendered[way]):
            given = environ(pod)
            here = {urls: given[urls]} if urls in given else {}
            told = environment.load(here).monitoring_urls()
            asks = name in ("dispatcher", "operator")
            assert told == (asked if asks else []), (way, name)
            ports = [
                p["port"] for r in policies[name]["spec"]["egress"] for p in r["ports"]
            ]
            assert (8222 in ports) == bool(told), (way, name)


@pytest.mark.parametrize("way", ["default", "locked"])
def test_only_who_needs_it_reaches_database_and_nats(
    rendered: dict[str, list[Manifest]], way: str
) -> None:
    policies = of_kind(rendered[way], "NetworkPolicy")
    assert {*policies} == SERVICES | {"operator", "migration"}

    def reaches(name: str) -> set[int | str]:
        return {
            port["port"]
            for rule in policies[name]["spec"]["egress"]
            for port in rule["ports"]
        }

    for name in policies:
        assert (5432 in reaches(name)) == (name in WITH_DATABASE)
        assert (4222 in reaches(name)) == (name != "migration")
        ports = [
            p["port"] for r in policies[name]["spec"]["ingress"] for p in r["ports"]
        ]
        closed = {"operator": [], "migration": []}
        assert ports == {"gateway": ["http", "ops"], **closed}.get(name, ["ops"])
        selected = policies[name]["spec"]["podSelector"]["matchLabels"].items()
        kind = "Job" if name == "migration" else "Deployment"
        template = of_kind(rendered[way], kind)[name]["spec"]["template"]
        assert selected <= template["metadata"]["labels"].items()


def test_webhooks_reach_the_internet_and_nothing_of_one_s_own(
    rendered: dict[str, list[Manifest]],
) -> None:
    policies = of_kind(rendered["default"], "NetworkPolicy")
    (rule,) = (r for r in policies["webhooks"]["spec"]["egress"] if "to" in r)
    assert [port["port"] for port in rule["ports"]] == [80, 443]
    own = {net for to in rule["to"] for net in to["ipBlock"]["except"]}
    for address in ("10.0.0.1", "169.254.169.254", "192.168.1.1", "fd00::1"):
        there = ipaddress.ip_address(address)
        nets = [ipaddress.ip_network(net) for net in own]
        assert any(there in net for net in nets if net.version == there.version)
    names = [v["name"] for v in dict(pods(rendered["default"]))["webhooks"]["volumes"]]
    assert names == ["tmp", "nats"]


def test_one_of_a_service_at_a_time_is_evicted(
    rendered: dict[str, list[Manifest]],
) -> None:
    budgets = of_kind(rendered["default"], "PodDisruptionBudget")
    assert {*budgets} == SERVICES
    assert {doc["spec"]["maxUnavailable"] for doc in budgets.values()} == {1}


def test_a_service_s_own_setting_wins_over_that_of_all(tmp_path: Path) -> None:
    values = {
        "settings": {"CABRANK_LOG_LEVEL": "info"},
        "dispatcher": {"settings": {"CABRANK_LOG_LEVEL": "debug"}},
    }
    for name, pod in pods(render(tmp_path, values)):
        if name in SERVICES:
            names = [each["name"] for each in pod["containers"][0]["env"]]
            assert len(names) == len(set(names)), "Kubernetes would take the last"
            level = "debug" if name == "dispatcher" else "info"
            assert environ(pod)["CABRANK_LOG_LEVEL"] == level


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"gatway": {}}, "gatway"),
    ({"gateway": {"replica": 2}}, "replica"),
    ({"gateway": {"replicas": 0}}, "gateway.replicas"),
    ({"dispatcher": {"replicas": "2"}}, "dispatcher.replicas"),
    ({"gateway": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
    ({"gateway": {"autoscaling": {"cpuPercent": 0}}}, "cpuPercent"),
    ({"persistence": {"autoscaling": {"lagRecords": 0}}}, "lagRecords"),
    ({"regions": []}, "regions"),
    ({"regions": ["a.b"]}, "regions"),
    ({"regions": ["a", "a"]}, "regions"),
    ({"nats": {"url": "http://nats"}}, "nats.url"),
    ({"nats": {"replicas": 2}}, "nats.replicas"),
    ({"nats": {"monitoringUrls": ["nats-0:8222"]}}, "nats.monitoringUrls"),
    ({"nats": {"monitoringUrls": "http://nats-0:8222"}}, "nats.monitoringUrls"),
    ({"settings": {"CABRANK_NATS_MONITORING_URLS": "http://n:8222"}}, "settings"),
    ({"secrets": {"database": {"name": ""}}}, "secrets.database.name"),
    ({"secrets": {"database": {"url": "postgresql://x"}}}, "url"),
    ({"secrets": {"database": {"ca": "/etc/ca.crt"}}}, "secrets.database.ca"),
    ({"settings": {"REQUEST_TTL_S": "5"}}, "settings"),
    ({"settings": {"CABRANK_REQUEST_TTL_S": 5}}, "CABRANK_REQUEST_TTL_S"),
    ({"settings": {"CABRANK_DATABASE_URL": "postgresql://x"}}, "settings"),
    ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ({"service": {"type": "Open"}}, "service.type"),
    ({"ingress": {"enabled": "yes"}}, "ingress.enabled"),
]


@pytest.mark.parametrize(("values", "naming"), WRONG, ids=lambda v: str(v)[:60])
def test_a_wrong_value_is_refused_and_named(
    values: dict[str, Any], naming: str, tmp_path: Path
) -> None:
    done = helm(tmp_path, "template", "city", str(CHART), values=values)
    assert done.returncode != 0
    last = naming.rpartition(".")[2]
    assert last in done.stderr, done.stderr


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == importlib.metadata.version("cabrank")
