"""What one address makes the gateway refuse is counted over all its connections."""

from gateway.limits import Limits
from gateway.sockets.strain import PRUNED_EVERY, WAIT_MAX_S, Strain

HERE, THERE = "192.0.2.1", "192.0.2.2"
FRAME = 1024
LIMITS = Limits()
BYTES_PER_S = 2 * LIMITS.frames_per_s * FRAME
AT_ONCE = 3_999
"""More than one connection has refused before its own rate holds it."""


def exhausted(strain: Strain, now_s: float = 100.0) -> None:
    assert not any(strain.add(HERE, FRAME, now_s) for _ in range(AT_ONCE))


def test_one_connection_s_whole_burst_is_refused_without_a_wait() -> None:
    assert LIMITS.frames_burst < AT_ONCE
    exhausted(Strain.of(LIMITS))


def test_who_adds_to_what_is_too_much_waits_until_it_is_paid_for() -> None:
    strain = Strain.of(LIMITS)
    exhausted(strain)
    wait_s = strain.add(HERE, FRAME, 100.0)
    assert 0 < wait_s <= 2 * FRAME / BYTES_PER_S
    assert strain.add(HERE, FRAME, 100.0) > wait_s
    assert strain.add(HERE, FRAME, 101.0) == 0.0


def test_another_address_does_not_wait() -> None:
    strain = Strain.of(LIMITS)
    exhausted(strain)
    assert strain.add(HERE, FRAME, 100.0) > 0
    assert strain.add(THERE, FRAME, 100.0) == 0.0


def test_large_frames_count_their_bytes() -> None:
    strain = Strain.of(LIMITS)
    for _ in range(AT_ONCE * FRAME // 65_536):
        assert strain.add(HERE, 65_536, 100.0) == 0.0
    assert strain.add(HERE, 65_536, 100.0) > 0


def test_nobody_waits_longer_than_the_most_and_it_is_forgotten_after() -> None:
    strain = Strain.of(LIMITS)
    waits = [strain.add(HERE, 65_536, 100.0) for _ in range(1_000)]
    assert max(waits) == WAIT_MAX_S
    assert strain.add(HERE, FRAME, 100.0 + WAIT_MAX_S + 0.1) == 0.0


def test_addresses_that_owe_nothing_are_not_held() -> None:
    strain = Strain.of(LIMITS)
    for number in range(10 * PRUNED_EVERY):
        strain.add(f"host-{number}", FRAME, 100.0 + number)
    assert len(strain) <= PRUNED_EVERY
