"""What HTTP connections count as, of addresses, of users, and in bytes."""

from gateway.limits import Limits
from gateway.sockets.holding import SURPLUS_MAX, Held, Holding


def held(**limits: int) -> Held:
    return Held(Limits(**limits))  # type: ignore[arg-type]


def test_of_an_address_one_too_many_is_told_and_who_leaves_makes_room() -> None:
    all_of_it = held(connections_per_address_max=1)
    first, second = Holding(all_of_it), Holding(all_of_it)
    assert first.settle_at("a")
    assert first.settle_at("a")
    assert not second.settle_at("a")
    assert second.settle_at("b")
    first.leave()
    assert Holding(all_of_it).settle_at("a")


def test_only_so_many_may_stay_to_hear_that_they_are_too_many() -> None:
    all_of_it = held(connections_per_address_max=1)
    waiting = [Holding(all_of_it) for _ in range(1 + SURPLUS_MAX)]
    assert all(each.settle_or_stay("a") for each in waiting)
    assert [each.place for each in waiting] == ["a"] + [""] * SURPLUS_MAX
    assert not Holding(all_of_it).settle_or_stay("a")
    waiting[1].leave()
    assert Holding(all_of_it).settle_or_stay("a")


def test_a_connection_is_its_latest_user_s() -> None:
    all_of_it = held(connections_per_user_max=1)
    one, other = Holding(all_of_it), Holding(all_of_it)
    assert one.belongs("ann")
    assert not other.belongs("ann")
    assert one.belongs("bob")
    assert one.belongs(None)
    assert other.belongs("ann")
    assert not Holding(all_of_it).belongs("bob")


def test_bytes_are_an_address_s_and_bounded_for_all_together() -> None:
    all_of_it = held(http_bytes_per_address_max=10, http_bytes_max=15)
    a, also_a, b = (Holding(all_of_it) for _ in range(3))
    assert a.settle_at("a")
    assert also_a.settle_at("a")
    assert b.settle_at("b")
    assert a.hold(6)
    assert not also_a.hold(5)
    assert also_a.hold(4)
    assert not b.hold(6)
    a.leave()
    assert b.hold(10)
    assert all_of_it.bytes.in_all == 14


def test_what_is_let_go_may_be_held_again() -> None:
    all_of_it = held(http_bytes_per_address_max=10)
    nobody_s, a = Holding(all_of_it), Holding(all_of_it)
    nobody_s.let_go(5)  # nothing of it was counted
    assert a.settle_at("a")
    assert a.hold(10)
    a.let_go(4)
    assert a.hold(4)
    assert not a.hold(1)
    a.release()
    assert all_of_it.bytes.in_all == 0


def test_nothing_is_left_of_who_has_gone() -> None:
    all_of_it = held()
    one = Holding(all_of_it)
    one.settle_at("a")
    one.belongs("ann")
    one.hold(5)
    one.settle_at("b")
    one.hold(7)
    one.leave()
    for share in (all_of_it.connections, all_of_it.users, all_of_it.bytes):
        assert not share._held
        assert share.in_all == 0
