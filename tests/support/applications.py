"""Applications of examples/, as processes beside a system."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.support.nats import free_port
from tests.support.stack import Stack
from tests.support.waiting import until_true

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CLIENT = str(ROOT / "clients" / "python")
LIMIT_S = 60


class Site:
    """Where the applications are; they are one issuer, by one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.django = free_port()
        self.fastapi = free_port()
        self.issuer = f"http://127.0.0.1:{self.django}"
        self.key = folder / "key.pem"
        words = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(self.key)]
        subprocess.run(words, check=True, capture_output=True)

    def environment(self, stack: Stack) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": CLIENT,
            "PYTHONDONTWRITEBYTECODE": "1",
            "CABRANK_URL": stack.url,
            "ISSUER": self.issuer,
            "KEY": str(self.key),
            "HOME_DIR": str(self.folder),
        }


@contextlib.asynccontextmanager
async def serving(
    site: Site, stack: Stack, port: int, *words: str, cwd: Path, **more: str
) -> AsyncIterator[str]:
    """An application, `more` in its environment; its address, once it answers."""
    url = f"http://127.0.0.1:{port}"
    log = site.folder / f"{port}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            env=site.environment(stack) | more,
            stdout=file,
            stderr=file,
        )
    try:
        async with httpx.AsyncClient(trust_env=False) as web:

            async def answers() -> bool:
                assert process.poll() is None, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    found = await web.get(f"{url}/.well-known/openid-configuration")
                    return found.status_code in {200, 404}
                return False

            await until_true(answers, url, LIMIT_S)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
