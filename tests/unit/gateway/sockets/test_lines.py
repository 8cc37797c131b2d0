"""Whose turn it is: one of each key after the other, so many of each at once."""

from gateway.sockets.lines import Lines


def in_order(lines: Lines[str], count: int) -> list[str]:
    found = [lines.next() for _ in range(count)]
    return [turn[1] for turn in found if turn is not None]


def test_who_brings_one_waits_for_no_more_than_one_of_who_brings_a_thousand() -> None:
    lines: Lines[str] = Lines()
    for number in range(1000):
        lines.ask("many", f"many {number}", 1000)
    lines.ask("one", "one", 1000)
    assert in_order(lines, 4) == ["many 0", "one", "many 1", "many 2"]


def test_of_one_key_only_so_many_are_under_way() -> None:
    lines: Lines[str] = Lines()
    for number in range(5):
        lines.ask("a", f"a{number}", 2)
    assert in_order(lines, 5) == ["a0", "a1"]
    assert not lines.is_anyone_ready
    lines.done("a")
    assert in_order(lines, 5) == ["a2"]


def test_who_leaves_is_passed_over_and_nothing_is_kept_of_it() -> None:
    lines: Lines[str] = Lines()
    for item in ("a0", "a1"):
        lines.ask("a", item, 1)
    lines.leave("a", "a0")
    lines.leave("nobody", "x")
    assert len(lines) == 1
    assert in_order(lines, 2) == ["a1"]
    lines.done("a")
    assert not lines._lines


def test_who_leaves_while_its_key_is_at_its_most_does_not_free_a_place() -> None:
    lines: Lines[str] = Lines()
    for item in ("a0", "a1", "a2"):
        lines.ask("a", item, 1)
    assert in_order(lines, 1) == ["a0"]
    lines.leave("a", "a1")
    assert lines.next() is None
    lines.done("a")
    assert in_order(lines, 1) == ["a2"]


def test_a_key_is_under_way_until_the_last_of_it_is_done() -> None:
    lines: Lines[str] = Lines()
    assert not lines.is_under_way("a")
    for item in ("a0", "a1"):
        lines.ask("a", item, 2)
    assert not lines.is_under_way("a")
    in_order(lines, 2)
    lines.done("a")
    assert lines.is_under_way("a")
    lines.done("a")
    assert not lines.is_under_way("a")
