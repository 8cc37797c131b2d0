"""Which servers' promises count."""

from nats.js.api import ClusterInfo, PeerInfo, StreamInfo

from runtime.durability import Synced, holders


def info(cluster: ClusterInfo | None) -> StreamInfo:
    return StreamInfo(config=None, state=None, cluster=cluster)


def peer(name: str, *, offline: bool = False) -> PeerInfo:
    return PeerInfo(name=name, current=not offline, offline=offline)


def test_a_server_that_stands_alone_holds_it() -> None:
    assert holders(info(None), "us") == {"us"}


def test_of_a_cluster_those_that_have_a_copy_hold_it() -> None:
    cluster = ClusterInfo(leader="a", replicas=[peer("b"), peer("c", offline=True)])
    assert holders(info(cluster), "elsewhere") == {"a", "b"}


def test_what_a_power_failure_takes_is_told() -> None:
    assert str(Synced("a", True, 0)) == "nats-server a syncs every write"
    assert str(Synced("a", False, 120)) == "nats-server a syncs only every 120 s"
