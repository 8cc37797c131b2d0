"""benchmarks/peers: the page from what was found, and Socket.IO's thin layer. The peers
themselves run in `make peers` only: their dependencies are never the product's.
"""

import sys
from pathlib import Path

from cabrank.trial.bench.rows import Row, Sheet

PEERS = Path(__file__).resolve().parents[4] / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))

import page  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402
import socketio_link  # noqa: E402


def found() -> page.Found:
    ours = [Row("connects", "", [1300.0], aim="1,200"), Row("memory", "", [7.0], 1)]
    theirs = [Row("connects", "", [400.0, 500.0, 450.0])]
    broken = {"cabrank.trial.bench.crowd ended with status 1.": 1}
    return {
        "cabrank": [Sheet("connections", "", ours, 0, {}, {})],
        "Other": [Sheet("connections", "", theirs, 0, {}, broken)],
    }


def test_every_system_has_its_column_beside_the_aim() -> None:
    lines = page.table(found()).splitlines()
    assert lines[0] == "| job | aim | cabrank | Other |"
    (row,) = [line for line in lines if line.startswith("| connects")]
    assert row.endswith("| 1,200 | 1,300 | 450 (400 to 500) |")


def test_job_that_a_system_did_not_do_is_a_dash() -> None:
    (row,) = [x for x in page.table(found()).splitlines() if x.startswith("| KiB")]
    assert row.endswith("| 7.0 | - |")


def test_what_went_wrong_is_on_the_page() -> None:
    written = page.page(page.Kept(found(), 1000, 300))
    assert "- Other, connections: 1 times: cabrank.trial.bench.crowd ended" in written
    assert "make peers" in written
    assert "earlier run" not in written


def test_figures_of_an_earlier_run_are_said_to_be_such() -> None:
    written = page.page(page.Kept(found(), 1000, 300, ["Other"]))
    assert "Of an earlier run, not of this one: Other." in written


def test_page_names_the_machine_and_the_versions() -> None:
    said = page.machine()
    assert "cores" in said
    assert "nats-server" in said
    assert "channels" in said


def test_peers_cover_both_servers_and_both_layers() -> None:
    channels = [peer for peer in peers.PEERS if not peer.socketio]
    assert {peer.command[0] for peer in channels} == {"uvicorn", "daphne"}
    assert {peer.layer for peer in channels} == {peers.CORE, peers.PUBSUB}
    assert any(peer.socketio for peer in peers.PEERS)


def test_socket_io_frame_is_an_event_of_ours() -> None:
    sent: list[bytes] = []

    class Heard(socketio_link.SocketIo):
        def packet(self, message: bytes) -> None:
            sent.append(message)

    Heard(lambda _: None, lambda _: None).send(b'{"type":"trip.request"}')
    assert sent == [b'42["frame",{"type":"trip.request"}]']


def test_what_is_best_seen_is_drawn_for_all_that_did_it(tmp_path: Path) -> None:
    plot.draw(found(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
