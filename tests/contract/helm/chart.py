"""The chart as the real helm renders it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "cabrank"
HELM = Path(sys.executable).with_name("helm")
KUBERNETES = "1.33"

Manifest = dict[str, Any]


def helm(
    directory: Path, *arguments: str, values: object = None
) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart; its own files go to `directory`."""
    given = directory / "values.json"
    given.write_text(json.dumps(values or {}))
    return subprocess.run(
        [str(HELM), *arguments, "--values", str(given)],
        env={**os.environ, "HOME": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def render(directory: Path, values: object = None) -> list[Manifest]:
    done = helm(
        directory,
        *("template", "city", str(CHART), "--kube-version", KUBERNETES),
        *("--namespace", "dispatch"),
        values=values,
    )
    assert done.returncode == 0, done.stderr
    return [doc for doc in yaml.safe_load_all(done.stdout) if doc]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """By what comes after the release's name: `gateway` …"""
    return {
        doc["metadata"]["name"].removeprefix("city-cabrank").lstrip("-"): doc
        for doc in manifests
        if doc["kind"] == kind
    }


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """(component, pod's spec) of everything that runs."""
    for kind in ("Deployment", "Job"):
        for name, doc in of_kind(manifests, kind).items():
            yield name, doc["spec"]["template"]["spec"]


def environ(pod: Manifest) -> dict[str, str]:
    (container,) = pod["containers"]
    return {each["name"]: each["value"] for each in container["env"]}
