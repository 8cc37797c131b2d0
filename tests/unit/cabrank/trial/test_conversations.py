"""Rooms as clients saw them: what is wrong with it, and what isn't."""

import pytest

from cabrank.trial.oracle.conversations import Conversations
from schemas.rooms import MessageData
from schemas.trips import Person

ROOM = "lounge"
ANN, BEN = (Person(name, name, "", "") for name in ("ann", "ben"))


class Talk:
    """Two that have joined an empty room, and what is wrong with what they say."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.seen = Conversations(lambda rule, _: self.broken.append(rule))
        for user in ("ann", "ben"):
            self.join(user, None)

    def join(
        self,
        user: str,
        since: int | None,
        *history: MessageData,
        recovered: bool = False,
        asked_s: float = 0.0,
    ) -> None:
        self.seen.joined(
            user, ROOM, since, history, recovered=recovered, asked_s=asked_s
        )

    def hear(
        self, *messages: MessageData, who: tuple[str, ...] = ("ann", "ben")
    ) -> None:
        for message in messages:
            for user in who:
                self.seen.heard(user, message)

    def end(self, *rows: MessageData) -> list[str]:
        self.seen.history(ROOM, rows)
        self.seen.finish()
        return self.broken


@pytest.fixture
def talk() -> Talk:
    return Talk()


def message(talk: Talk, number: int, text: str = "") -> MessageData:
    """Asked for by Ann."""
    text = text or f"hello {number}"
    talk.seen.asks(text)
    return MessageData(ROOM, number, f"id {number}", ANN, text, "now")


def test_all_heard_once_and_in_order_is_right(talk: Talk) -> None:
    one, two = (message(talk, number) for number in (1, 2))
    talk.hear(one)
    talk.seen.answered(one, 1.0)
    talk.seen.lost("ben")
    talk.hear(two, who=("ann",))
    assert talk.seen.cursor("ben", ROOM) == 1
    talk.join("ben", 1, two, recovered=True, asked_s=2.0)
    talk.seen.leaves("ann", ROOM, 2)
    talk.hear(one, who=("ann",))  # in again, by her trip
    assert talk.end(one, two) == []


@pytest.mark.parametrize("numbers", [(1, 3), (1, 1), (1, 2, 1)])
def test_a_gap_a_repeat_and_another_order_are_wrong(
    talk: Talk, numbers: tuple[int, ...]
) -> None:
    talk.hear(*(message(talk, number) for number in numbers), who=("ann",))
    assert "messages once and in order" in talk.broken


def test_who_comes_back_must_be_told_all_since(talk: Talk) -> None:
    three = message(talk, 3)
    talk.hear(message(talk, 1), who=("ben",))
    talk.seen.lost("ben")
    talk.join("ben", 1, three, recovered=True)
    assert talk.broken == ["messages once and in order"]


def test_what_was_answered_before_a_join_must_be_in_its_history(talk: Talk) -> None:
    talk.seen.answered(message(talk, 1), 1.0)
    talk.join("cleo", None, asked_s=0.5)
    assert talk.broken == []
    talk.join("dora", None, asked_s=1.5)
    assert talk.broken == ["answered is heard"]


def test_what_is_said_twice_is_wrong(talk: Talk) -> None:
    talk.hear(message(talk, 1, "hello"), message(talk, 2, "hello"))
    assert "a message once" in talk.broken


def test_what_nobody_said_is_wrong(talk: Talk) -> None:
    talk.hear(MessageData(ROOM, 1, "id", BEN, "psst", "now"))
    assert "nobody said it" in talk.broken


def test_two_truths_are_wrong(talk: Talk) -> None:
    talk.hear(message(talk, 1, "hello"), who=("ann",))
    talk.hear(message(talk, 1, "hullo"), who=("ben",))
    assert "one truth" in talk.broken


def test_what_one_of_those_in_a_room_never_hears_is_wrong(talk: Talk) -> None:
    one = message(talk, 1)
    talk.hear(one, who=("ann",))
    assert talk.seen.unheard()
    assert talk.end(one) == ["answered is heard"]


def test_who_waited_for_a_message_in_vain_and_left_is_wrong(talk: Talk) -> None:
    talk.seen.answered(message(talk, 1), 1.0)
    talk.seen.leaves("ben", ROOM, talk.seen.due(ROOM, 2.0))
    assert talk.broken == ["answered is heard"]


def test_what_was_seen_must_have_a_row(talk: Talk) -> None:
    one, two = (message(talk, number) for number in (1, 2))
    talk.hear(one, two)
    assert talk.seen.lags(ROOM, [one])
    assert talk.end(one) == ["history equals answers"]


def test_rows_have_no_gap_and_every_room_is_read(talk: Talk) -> None:
    one, two = (message(talk, number) for number in (1, 2))
    talk.hear(one, two)
    talk.seen.finish()
    assert talk.broken == ["history equals answers"]
    assert "rows without a gap" in talk.end(two)
