"""The bench's generators as processes: small Python programs."""

import pytest
from msgspec import Struct

from cabrank.trial.bench import windows
from cabrank.trial.load import LoadError


class Order(Struct):
    size: int


TALKS = """
import json, sys
size = json.load(sys.stdin)["size"]
for number in range(size):
    print(json.dumps({"started": number}))
    print(json.dumps({"window": number}))
print(json.dumps({"summary": size}))
"""


def test_windows_come_with_the_cpu_and_the_summary_comes_last() -> None:
    found, summary = windows.run(("-c", TALKS), Order(2), None)
    lines = [line.strip() for line, _ in found]
    assert lines == [b'{"window": 0}', b'{"window": 1}']
    assert [used_s for _, used_s in found] == [{}, {}]
    assert summary.strip() == b'{"summary": 2}'


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "pass"])
def test_a_generator_that_dies_is_told(program: str) -> None:
    with pytest.raises(LoadError, match=r"ended with status [03]"):
        windows.run(("-c", program), Order(1), None)
