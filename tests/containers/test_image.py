"""What the image is, and what is not in it."""

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.containers.machine import ENVIRON, NONE, has_engine
from tests.containers.site import IMAGE, REPOSITORY, Site, run

IMAGE_MAX_BYTES = 200_000_000
"""Issue 6."""
BUILT_BY = ("Dockerfile", "compose.yaml")
AGAIN = "cabrank:again"
"""What is built to be held against it."""
PUBLIC = {"auth.conf", "jwks.json", "ca.pem"}
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
CREDENTIALS = re.compile(r"://[^/\s:@]+:[^/\s:@]+@")
"""In a URL, as a package index or a database may have them."""
NOT_FOR_IMAGES = re.compile(
    r"(^|/)(\.git|\.env|\.netrc|\.pypirc|pip\.conf|id_rsa|id_ed25519"
    r"|(signing|proxy|nats|postgres)\.pem|[^/]+\.nk)$"
)


@pytest.fixture(autouse=True)
def _engine() -> None:
    if not has_engine():
        pytest.skip(NONE)


def test_it_is_small() -> None:
    (facts,) = json.loads(run("docker", "image", "inspect", IMAGE))
    assert facts["Size"] <= IMAGE_MAX_BYTES


@pytest.mark.timeout(600)
def test_a_build_of_everything_anew_makes_the_same_image(tmp_path: Path) -> None:
    """Measured: 49 s; where an index is asked, it has all packages to bring."""
    command = ("docker", "compose", "build", "--quiet", "--no-cache")
    run(*command, environ={**ENVIRON, "CABRANK_IMAGE": AGAIN}, limit_s=560)
    try:
        assert _layers(AGAIN) == _layers(IMAGE)
        first, again = (_config_digest(name, tmp_path) for name in (IMAGE, AGAIN))
        assert again == first
    finally:
        run("docker", "image", "rm", AGAIN)


def test_both_ways_to_build_it_take_the_same_time() -> None:
    """A builder doesn't look for it in the Dockerfile: compose.yaml says it again."""
    told = [
        re.findall(r"(?m)^\s*(?:ARG )?SOURCE_DATE_EPOCH(?:=|: )\"?(\d+)", text)
        for text in ((REPOSITORY / name).read_text() for name in BUILT_BY)
    ]
    assert len(told[0]) == 1
    assert told[1] == told[0]


def test_no_secret_is_in_any_layer(site: Site, tmp_path: Path) -> None:
    """Neither one of this site's, nor a key, nor a file that holds such."""
    ours = [
        path.read_bytes().strip()
        for path in site.secrets.rglob("*")
        if path.is_file() and path.name not in PUBLIC
    ]
    looked_at = 0
    with tarfile.open(_saved(IMAGE, tmp_path)) as archive:
        layers = _manifest(archive)["Layers"]
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if member.name not in layers:
                assert not PRIVATE_KEY.search(file.read()), member.name
                continue
            with tarfile.open(fileobj=file) as layer:
                for entry in layer:
                    assert not NOT_FOR_IMAGES.search(entry.name), entry.name
                    inside = layer.extractfile(entry) if entry.isfile() else None
                    held = inside.read() if inside is not None else b""
                    assert not PRIVATE_KEY.search(held), entry.name
                    assert not any(secret in held for secret in ours), entry.name
                    looked_at += 1
    assert looked_at > 1000


def test_no_secret_is_in_its_history() -> None:
    told = run("docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)
    (facts,) = json.loads(run("docker", "image", "inspect", IMAGE))
    told += json.dumps(facts["Config"])
    assert "ENTRYPOINT" in told
    assert not CREDENTIALS.search(told)
    assert not re.search(r"(?i)password|secret|token", told)


def test_nothing_in_it_installs_packages() -> None:
    for program in ("pip", "pip3"):
        done = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint", program, IMAGE, "--version"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 127, program


def test_a_wrong_setting_is_one_sentence_there_too() -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", "CABRANK_PORT=x", IMAGE, "gateway"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("CABRANK_PORT is 'x'")


def test_what_tries_a_system_is_not_in_it(tmp_path: Path) -> None:
    with tarfile.open(_saved(IMAGE, tmp_path)) as archive:
        names = set()
        for layer in _manifest(archive)["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as inside:
                names |= {entry.name for entry in inside}
    assert any(name.endswith("/cabrank/operate/doctor.py") for name in names)
    assert not [name for name in names if re.search(r"/cabrank/trial\b|picows", name)]
    done = subprocess.run(
        ["docker", "run", "--rm", IMAGE, "bench"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("`cabrank bench` is not installed here")


def _layers(image: str) -> list[str]:
    (facts,) = json.loads(run("docker", "image", "inspect", image))
    layers: list[str] = facts["RootFS"]["Layers"]
    return layers


def _config_digest(image: str, folder: Path) -> str:
    """The image's id, but in containerd's store: there an id is of more, as when the
    build was.
    """
    with tarfile.open(_saved(image, folder)) as archive:
        digest: str = _manifest(archive)["Config"]
    return digest


def _saved(image: str, folder: Path) -> Path:
    """As `docker save` writes it, in the older layout or OCI's."""
    file = folder / "image.tar"
    run("docker", "save", "--output", str(file), image)
    return file


def _manifest(archive: tarfile.TarFile) -> Any:
    """What says which of its files are the layers and the config."""
    file = archive.extractfile("manifest.json")
    assert file is not None
    (manifest,) = json.loads(file.read())
    return manifest
