"""cabrank/trial/chaos/network.py: whom a pulled cable really cuts off. In processes of
their own, since who lays a network moves into it.
"""

import subprocess
import sys

import pytest

LAY = """
import subprocess, sys
from cabrank.trial.chaos import network
from cabrank.errors import CabrankError

try:
    laid = network.lay(3)
except CabrankError as error:
    print("impossible:", error)
    sys.exit()

TRY = (
    "import socket, sys\\n"
    "try: socket.create_connection((sys.argv[1], 9), 1)\\n"
    "except ConnectionRefusedError: print('reached', end='')\\n"
    "except OSError: print('lost', end='')\\n"
)


def reach(number, address):
    into = ["nsenter", f"--net={laid.homes[number - 1].namespace}"]
    done = subprocess.run([*into, sys.executable, "-c", TRY, address],
                          capture_output=True, text=True)
    return done.stdout


def look():
    servers = [laid.homes[k].servers for k in range(3)]
    return [reach(1, servers[1]), reach(2, servers[0]), reach(2, servers[2]),
            reach(1, "10.1.0.254")]


print(*look())
laid.cut_off(1)
print(*look())
laid.mend()
for _ in range(30):  # who was asked for in vain is not asked for again at once
    if "lost" not in (seen := look()):
        break
print(*seen)
"""


def test_who_is_cut_off_reaches_clients_and_no_other_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAY], capture_output=True, text=True, check=True
    )
    if done.stdout.startswith("impossible:"):
        pytest.skip(f"no network namespaces here: {done.stdout.strip()}")
    assert done.stdout.splitlines() == [
        "reached reached reached reached",
        "lost lost reached reached",
        "reached reached reached reached",
    ]


def test_where_it_can_t_be_laid_the_reason_is_told_and_nothing_has_changed() -> None:
    """As nobody, who may not."""
    script = """
import os
before = os.stat("/proc/thread-self/ns/net").st_ino
from cabrank.trial.chaos import network
from cabrank.errors import CabrankError
os.setuid(65534)
try:
    network.lay(3)
except CabrankError as error:
    print(error, os.stat("/proc/thread-self/ns/net").st_ino == before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    if "setuid" in done.stderr:
        pytest.skip("only root can become nobody")
    assert done.stdout == "unshare: Operation not permitted True\n", done.stderr
