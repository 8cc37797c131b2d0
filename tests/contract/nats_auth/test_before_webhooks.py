"""A site whose NATS permissions are of a version that had no webhooks."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from persistence import database, revisions
from persistence.deliveries import service as deliveries
from persistence.deliveries.service import FORBIDDEN, Deliveries
from runtime.questions import Questions
from runtime.settings import Settings
from schemas import subjects
from schemas.codec import decode
from schemas.permissions import Service
from schemas.webhooks import ListWebhooks, Webhook
from tests.contract.nats_auth.conftest import Connect, Locked
from tests.support.running import service
from tests.support.waiting import until, until_is

SUBJECT = subjects.webhooks("list")


async def test_webhooks_wait_for_renewed_permissions_and_nothing_else_does(
    locked: Locked,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "HEAR_S", 0.2)
    renewed = (locked.auth / "auth.conf").read_text()
    before = renewed.replace(
        '"webhooks.*", "deliveries.*", "operations.*"', '"operations.*"'
    )
    assert before != renewed
    locked.stop()
    (locked.auth / "auth.conf").write_text(before)
    locked.start()
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    revisions.migrate(url)
    bus = await connect(Service.PERSISTENCE)
    told = Deliveries(
        database.plain_engine(url), database.hasty_engine(url), bus, Settings()
    )
    with capture_logs() as said:
        async with service() as running:
            told.start(running)
            await until(lambda: any(one["event"] == FORBIDDEN for one in said), "said")
            heard = bus.stats["reconnects"]

            (locked.auth / "auth.conf").write_text(renewed)
            locked.reload()
            questions = Questions(await connect(Service.GATEWAY))
            result = await until_is(
                lambda: questions.ask(SUBJECT, ListWebhooks(), 1),
                lambda found: found.refused is None,
            )
            assert result.data is not None
            assert decode(result.data, list[Webhook]) == []
            assert bus.stats["reconnects"] == heard
            running.stop()
            await told.stop()
    forbidden = [one["event"] for one in said if "forbids" in one["event"]]
    assert forbidden == [FORBIDDEN]
