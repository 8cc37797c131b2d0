"""How `make up` and `make test` install: what pip is told is told to uv, what uv can't
get pip gets, and only what the tests asked for need.
"""

import base64
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "deploy/supply/install.py"

_spec = spec_from_file_location("install", PROGRAM)
assert _spec is not None
install = module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(install)

WHEEL = "taxi_rank-1.0-py3-none-any.whl"


def test_a_mirror_that_pip_is_told_of_is_told_to_uv() -> None:
    environ, arguments = install.told(
        "global.index-url='https://me:secret@mirror.example/simple'\n"
        "global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/s'\n"
        "global.trusted-host='mirror.example'\n"
        "global.cert='/etc/mirror.pem'\n"
        "global.proxy='http://proxy.example:3128'\n"
        "global.find-links='/opt/wheels /more'\n"
        "global.no-index='false'\n"
        "freeze.timeout='10'\n"
        "global.timeout='60'\n"
    )
    assert environ == {
        "UV_DEFAULT_INDEX": "https://me:secret@mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/s",
        "SSL_CERT_FILE": "/etc/mirror.pem",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "HTTP_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "60",
    }
    assert "secret" not in " ".join(arguments)
    text = " ".join(arguments)
    assert "--allow-insecure-host mirror.example" in text
    assert "--find-links /opt/wheels --find-links /more" in text
    assert "--index-strategy unsafe-best-match" in text
    assert "--no-index" not in text


def test_the_environment_says_more_than_pips_files() -> None:
    lines = [
        ":env:.index-url='https://environment.example/simple'",
        "global.index-url='https://file.example/simple'",
        "install.index-url='https://command.example/simple'",
        "install.no-index='1'",
    ]
    environ, arguments = install.told("\n".join(lines))
    assert environ["UV_DEFAULT_INDEX"] == "https://environment.example/simple"
    assert "--no-index" in arguments
    environ, _ = install.told("\n".join(lines[1:]))
    assert environ["UV_DEFAULT_INDEX"] == "https://command.example/simple"


@contextmanager
def mirror() -> Iterator[tuple[str, str]]:
    """A package index (PEP 503) with one package and no uv: its URL, and a lock file's
    line for the package.
    """
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as wheel:
        meta = "Metadata-Version: 2.1\nName: taxi-rank\nVersion: 1.0\n"
        files = {
            "taxi_rank.py": "CABS = 2\n",
            "taxi_rank-1.0.dist-info/METADATA": meta,
            "taxi_rank-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
            "Root-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(
            f"{name},sha256={_digest(text)},{len(text)}\n"
            for name, text in files.items()
        )
        files["taxi_rank-1.0.dist-info/RECORD"] = record
        for name, text in files.items():
            wheel.writestr(name, text)
    body = made.getvalue()
    sha256 = hashlib.sha256(body).hexdigest()
    page = f'<a href="/{WHEEL}#sha256={sha256}">{WHEEL}</a>'.encode()

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held = {"/simple/taxi-rank/": page, f"/{WHEEL}": body}.get(self.path)
            self.send_response(200 if held else 404)
            self.send_header("Content-Type", "text/html" if held is page else "a/b")
            self.send_header("Content-Length", str(len(held or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(held or b"")

        do_HEAD = do_GET  # noqa: N815 — its base's name

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield (
            f"http://127.0.0.1:{server.server_port}/simple",
            f"taxi-rank==1.0 \\\n    --hash=sha256:{sha256}\n",
        )
        server.shutdown()


def _digest(text: str) -> str:
    hashed = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def environment(directory: Path) -> Path:
    """A virtual environment's Python, with this one's pip."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(directory / "env")],
        check=True,
    )
    python = directory / "env/bin/python"
    (packages,) = (directory / "env/lib").glob("python3*/site-packages")
    import pip  # noqa: PLC0415 — the one to copy

    shutil.copytree(Path(pip.__file__).parent, packages / "pip")
    return python


def run(
    python: Path, directory: Path, line: str, url: str
) -> subprocess.CompletedProcess[str]:
    """As in a company: nothing but the mirror, by what pip reads."""
    (directory / "lock").write_text(line)
    (directory / "pip.conf").write_text(f"[global]\nindex-url = {url}\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    return subprocess.run(
        [str(python), str(PROGRAM), "lock", str(ROOT / "requirements-uv.lock")],
        cwd=directory,
        env={
            **kept,
            "PIP_CONFIG_FILE": str(directory / "pip.conf"),
            "UV_CACHE_DIR": str(directory / "cache"),
            "UV_NO_CONFIG": "1",
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def cabs(python: Path) -> str:
    program = "import taxi_rank; print(taxi_rank.CABS)"
    return subprocess.run(
        [str(python), "-c", program], capture_output=True, text=True, check=False
    ).stdout


def test_where_a_mirror_has_no_uv_pip_installs(tmp_path: Path) -> None:
    python = environment(tmp_path)
    with mirror() as (url, line):
        done = run(python, tmp_path, line, url)
    assert done.returncode == 0, done.stderr
    assert "Installing the 1 packages of lock by pip" in done.stderr
    assert cabs(python) == "2\n"


@pytest.mark.parametrize("wrong", [False, True])
def test_uv_takes_the_mirror_that_pips_file_names_and_checks_hashes(
    tmp_path: Path, wrong: bool
) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("pip couldn't get uv here, so pip installs")
    python = environment(tmp_path)
    python.with_name("uv").symlink_to(uv)
    with mirror() as (url, line):
        other = line[:-6] + "00000\n"
        done = run(python, tmp_path, other if wrong else line, url)
    assert "Installing the 1 packages of lock by uv" in done.stderr
    assert ("uv couldn't" in done.stderr) == wrong
    assert (done.returncode != 0) == wrong, done.stderr
    assert cabs(python) == ("" if wrong else "2\n")


def lacking(directory: Path, arguments: str) -> str:
    """What `make packages` says on a machine that has nothing of it, without root."""
    tools = directory / "bin"
    tools.mkdir()
    for name in ("make", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "ls").symlink_to("/bin/false")
    done = subprocess.run(
        ["make", "packages", "PYTHON=none", f"ARGS={arguments}"],
        cwd=ROOT,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("", ["postgresql", "prometheus", "chromium", "nodejs"]),
        ("-x -k trip", ["postgresql", "prometheus", "chromium", "nodejs"]),
        ("tests/contract/test_bus.py tests/unit", ["postgresql"]),
        ("tests/browser/test_rooms.py::test_x", ["chromium"]),
        ("tests/sizes", ["postgresql", "prometheus", "chromium", "nodejs"]),
    ],
)
def test_what_the_tests_need_is_asked_for(
    arguments: str, wanted: list[str], tmp_path: Path
) -> None:
    (said,) = re.findall("need Debian's ([a-z ]+):", lacking(tmp_path, arguments))
    assert sorted(said.split()) == sorted(wanted)


def test_unit_tests_need_no_packages_of_debian(tmp_path: Path) -> None:
    assert lacking(tmp_path, "tests/unit -x") == ""
