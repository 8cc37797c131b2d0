"""openapi-python-client in an environment of its own, since it asks for another typer
than ours: made once beside ours, of what requirements-generator.lock names.
"""

import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements-generator.lock"
PLACE = Path(sys.prefix) / "generator"


def python() -> Path:
    """The environment's interpreter."""
    made, stamp = PLACE / "bin" / "python", PLACE / ".done"
    locked = LOCK.read_text()
    if not stamp.exists() or stamp.read_text() != locked:
        run("-m", "venv", "--clear", "--without-pip", str(PLACE))
        install(str(made))
        stamp.write_text(locked)
    return made


def install(into: str) -> None:
    """By uv where it is there and can, which takes a tenth of pip's time."""
    locked = ("--require-hashes", "--requirement", str(LOCK))
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        by_uv = [str(uv), "pip", "install", "--quiet", "--python", into, *locked]
        if subprocess.run(by_uv, capture_output=True, check=False).returncode == 0:
            return
    pip = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--python", into)
    run(*pip, "install", *locked)


def run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
