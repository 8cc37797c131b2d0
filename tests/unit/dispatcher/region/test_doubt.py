"""Who may have been deposed unheard is in doubt until the ledger says otherwise."""

from dispatcher.region.doubt import PAUSE_S, Doubt


class Leader:
    """A clock, and how many connections there were."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.connections = 3
        self.doubt = Doubt(lambda: self.now_s, lambda: self.connections)

    def is_in_doubt(self, after_s: float) -> bool:
        self.now_s += after_s
        return self.doubt.look()


def test_who_looks_all_the_time_is_in_no_doubt() -> None:
    leader = Leader()
    assert not any(leader.is_in_doubt(PAUSE_S) for _ in range(100))


def test_after_a_pause_only_what_was_asked_since_ends_the_doubt() -> None:
    leader = Leader()
    asked_s = leader.now_s
    assert leader.is_in_doubt(PAUSE_S + 0.1)
    leader.doubt.end(asked_s)  # the answer may be of before another led
    assert leader.is_in_doubt(0.1)
    leader.doubt.end(leader.now_s)
    assert not leader.is_in_doubt(0.1)


def test_another_connection_is_a_doubt_however_short_there_was_none() -> None:
    leader = Leader()
    for _ in range(2):
        leader.connections += 1
        assert leader.is_in_doubt(0.01)
        leader.doubt.end(leader.now_s)
        assert not leader.is_in_doubt(0.01)


def test_a_doubt_that_begins_while_the_ledger_answers_stays() -> None:
    leader = Leader()
    leader.connections += 1
    assert leader.is_in_doubt(0.1)
    asked_s = leader.now_s
    leader.connections += 1
    assert leader.is_in_doubt(0.1)
    leader.doubt.end(asked_s)
    assert leader.is_in_doubt(0.1)
