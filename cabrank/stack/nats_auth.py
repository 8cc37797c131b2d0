"""`cabrank nats-auth`: an nkey for each service, and what it may do, as nats-server's
configuration. Keys stay as they are; what they may is written anew each time.

DIR/auth.conf                to be included by nats.conf: public keys and permissions
DIR/<service>.nk             its seed, for CABRANK_NATS_NKEY_SEED_FILE (0600)
DIR/<service>.previous.nk    between `--rotate` and `--retire`: still taken
"""

import json
import os
from pathlib import Path

import nkeys

from cabrank.errors import UsageError
from cabrank.stack.datadir import write
from runtime.nats_login import public_key, seed_file
from schemas.permissions import PERMISSIONS, Permissions, Service

CONF = "auth.conf"
HEAD = """\
# Written by `cabrank nats-auth`; changes are lost. Include it in nats.conf, and after
# a change have the server read it again: nats-server --signal reload.
authorization {
  users: [
"""
TAIL = """\
  ]
}
"""
SEED_FIELD = "nats_nkey_seed_file"


def previous_file(directory: Path, service: Service) -> Path:
    return directory / f"{service}.previous.nk"


def run(directory: Path, rotate: list[Service], retire: list[Service]) -> list[str]:
    """Make what is missing, and the configuration; one line about each service.

    `rotate`: give these a new seed beside the one they have; `retire`: take from these
    the seed before.

    Raises:
        UsageError: a rotation that has not ended, or files that can't be used.
    """
    told = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in Service:
            if service in rotate:
                _set_aside(directory, service)
            if service in retire:
                previous_file(directory, service).unlink(missing_ok=True)
            is_new = not seed_file(directory, service).exists()
            if is_new:
                _make(seed_file(directory, service))
            told.append(_tell(directory, service, is_new=is_new))
        # No secret: the server may run as another user.
        write(directory / CONF, config(keys(directory)), mode=0o644)
    except OSError as error:
        where = error.filename or directory
        raise UsageError(f"{where} can't be written: {error.strerror}.") from None
    return told


def keys(directory: Path) -> dict[Service, list[str]]:
    """The public keys that are to be taken, the present one first.

    Raises:
        SettingsError: a file holds no seed.
    """
    found = {}
    for service in Service:
        files = (seed_file(directory, service), previous_file(directory, service))
        found[service] = [
            public_key(SEED_FIELD, str(path)) for path in files if path.exists()
        ]
    return found


def config(taken: dict[Service, list[str]]) -> str:
    """The text of auth.conf."""
    users = []
    for service, of_service in taken.items():
        permissions = _permissions(PERMISSIONS[service])
        for key in of_service:
            users.append(f"    # {service}")
            users.append(f"    {{ nkey: {key}, permissions: {permissions} }}")
    return HEAD + "\n".join(users) + "\n" + TAIL


def _permissions(of: Permissions) -> str:
    # JSON is among what nats-server's configuration language takes.
    publish = {"allow": of.publish, "deny": of.deny_publish}
    return json.dumps({"publish": publish, "subscribe": {"allow": of.subscribe}})


def _make(path: Path) -> None:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    write(path, seed.decode() + "\n")


def _set_aside(directory: Path, service: Service) -> None:
    before = previous_file(directory, service)
    if before.exists():
        raise UsageError(
            f"The last rotation of {service} has not ended: restart what still uses "
            f"{before.name}, then end it with --retire {service}."
        )
    if seed_file(directory, service).exists():
        seed_file(directory, service).rename(before)


def _tell(directory: Path, service: Service, *, is_new: bool) -> str:
    file = seed_file(directory, service)
    also = previous_file(directory, service)
    text = f"{service}: {file}{' (new)' if is_new else ''}"
    return f"{text}; {also.name} is still taken" if also.exists() else text
