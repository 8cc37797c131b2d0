"""Installs what a lock file names into this interpreter's environment: by uv where pip
can get it (requirements-uv.lock), which takes a tenth of pip's time, else by pip. Says
what it does, from the first second on. Hashes are checked either way.

uv reads none of pip's configuration: what pip is told of mirrors, proxies and
certificates, by its files or by PIP_*, is told to uv (`told`). What uv can't do with
it, pip is left to do.

    .venv/bin/python deploy/supply/install.py LOCK [LOCK of uv]
"""

# ruff: noqa: S603, T201 — what is run here is named here, and this is a command

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
LOCKED = ["--no-build-isolation", "--require-hashes", "--requirement"]
UV = Path(sys.executable).with_name("uv")
EVERY = 20
"""A line of pip's progress for so many packages."""

VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
"""pip's options that uv takes from the environment; addresses may hold passwords, which
don't belong on a command line."""
ARGUMENTS = {
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
    "no-index": "--no-index",
}

Told = tuple[dict[str, str], list[str]]


def told(config: str) -> Told:
    """Variables and arguments for uv, by the lines of `pip config list`:
    `global.index-url='https://mirror.example/simple'`. As for pip, the environment's
    say more than `install`'s, and those more than all commands'.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in config.splitlines():
        name, _, text = line.partition("=")
        section, _, option = name.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section, -1)
        if rank >= found.get(option, (0, ""))[0]:
            found[option] = (rank, str(ast.literal_eval(text)))
    environ: dict[str, str] = {}
    # pip trusts what the system trusts, and knows of no first index among several.
    arguments = ["--system-certs", "--index-strategy", "unsafe-best-match"]
    for option, (_, value) in found.items():
        for variable in VARIABLES.get(option, ()):
            environ[variable] = " ".join(value.split())
        argument = ARGUMENTS.get(option)
        if argument == "--no-index":
            arguments += [argument] * (value.lower() in {"1", "true", "yes", "on"})
        elif argument:
            arguments += [part for one in value.split() for part in (argument, one)]
    return environ, arguments


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def has_uv(lock: str) -> bool:
    """Whether uv is there, or pip could get it."""
    if not UV.exists():
        say("Fetching uv, which installs faster than pip")
        command = [*PIP, "install", "--quiet", "--only-binary", ":all:", *LOCKED, lock]
        subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    return UV.exists()


def by_uv(lock: str) -> bool:
    config = subprocess.run(
        [*PIP, "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    environ, arguments = told(config)
    # Compiled now, on all processors, as by pip; else by whatever imports it first.
    command = [str(UV), "pip", "install", "--compile-bytecode"]
    command += ["--python", sys.executable, *arguments]
    done = subprocess.run(
        [*command, *LOCKED, lock],
        env={**environ, **os.environ},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines() or ["no word of why"]
        say(f"uv couldn't ({why[-1].strip()}); pip goes on, which takes minutes")
    return done.returncode == 0


def by_pip(lock: str, packages: int) -> int:
    """The exit status; what pip says goes on to standard error."""
    running = subprocess.Popen(
        [*PIP, "install", "--progress-bar", "off", *LOCKED, lock],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    met = 0
    for line in running.stdout:
        if re.match(r"\s*(Collecting|Requirement already satisfied)", line):
            met += 1
            if met % EVERY == 0:
                say(f"  {met} of {packages}")
        elif line.startswith("Installing collected"):
            say("  all fetched; unpacking them")
    return running.wait()


def main(lock: str, uv_lock: str = "requirements-uv.lock") -> int:
    packages = len(re.findall(r"^[\w.-]+==", Path(lock).read_text(), re.MULTILINE))
    began = time.monotonic()
    uv = has_uv(uv_lock)
    say(f"Installing the {packages} packages of {lock} by {'uv' if uv else 'pip'}")
    status = 0 if uv and by_uv(lock) else by_pip(lock, packages)
    if status == 0:
        say(f"  done, {time.monotonic() - began:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
