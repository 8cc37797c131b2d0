"""When a client is pinged, and that the clock stands still while it isn't read."""

from gateway.limits import Limits
from gateway.sockets.heartbeat import Beat, Heartbeat

LIMITS = Limits(ping_s=25, pong_s=10)


def made() -> Heartbeat:
    return Heartbeat(LIMITS, 100)


def test_it_pings_when_it_is_time_and_again_after_an_answer() -> None:
    heart = made()
    assert heart.due_s() == 125
    assert heart.beat(LIMITS, 124) is Beat.NONE
    assert heart.beat(LIMITS, 125) is Beat.PING
    assert heart.due_s() == 135
    assert heart.answered()
    assert not heart.answered()  # whatever comes then answers nothing of ours
    assert heart.due_s() == 150
    assert heart.beat(LIMITS, 149) is Beat.NONE
    assert heart.beat(LIMITS, 150) is Beat.PING


def test_who_does_not_answer_in_time_is_dead() -> None:
    heart = made()
    heart.beat(LIMITS, 125)
    assert heart.beat(LIMITS, 134.9) is Beat.NONE
    assert heart.beat(LIMITS, 135) is Beat.DEAD


def test_an_answer_that_cannot_come_is_not_waited_for() -> None:
    heart = made()
    heart.beat(LIMITS, 125)
    heart.stand_still(130)
    heart.stand_still(140)  # as it does already
    assert heart.due_s() == float("inf")
    assert heart.beat(LIMITS, 1000) is Beat.NONE
    heart.go_on(1000)
    heart.go_on(2000)
    assert heart.beat(LIMITS, 1004.9) is Beat.NONE
    assert heart.beat(LIMITS, 1005) is Beat.DEAD
