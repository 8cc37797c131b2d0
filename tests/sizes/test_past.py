"""The past at its largest, on a whole system: a trail longer than a message on NATS
comes whole (issue 12).
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.sizes.conftest import size
from tests.support.client import welcomed
from tests.support.stack import Stack, running

LONGEST = "\x01" * 255
"""Six bytes each in JSON, and as long as an address may be."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    lifted = {"CABRANK_USER_COMMANDS_PER_S": "0"}
    with running(tmp_path / "data", settings=lifted) as stack:
        yield stack


async def test_a_trip_that_changed_hands_all_day_has_its_whole_trail(
    stack: Stack,
) -> None:
    """1 MiB, the most that NATS takes at once, are some 300 rows of this trip."""
    hands = size(180, 2_000)
    (rider,) = stack.people("rider", 1)
    drivers = [
        (await welcomed(stack.url, driver.access))[0]
        for driver in stack.people("driver", 2)
    ]
    asking, _ = await welcomed(stack.url, rider.access)
    addresses = {"pick_up_address": LONGEST, "drop_off_address": LONGEST}
    trip = await asking.do("trip.request", addresses)
    for number in range(hands):
        driver = drivers[number % 2]
        await driver.do("trip.accept", {"id": trip["id"]})
        await driver.do("trip.release", {"id": trip["id"]})
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        path = f"/api/trips/{trip['id']}/events"
        told = await http.get(path, headers={"Authorization": f"Bearer {rider.access}"})
    assert told.status_code == 200
    assert len(told.content) > 1024 * 1024
    versions = [row["version"] for row in told.json()]
    assert versions == list(range(1, 2 * hands + 2))
    for client in (asking, *drivers):
        await client.close()
