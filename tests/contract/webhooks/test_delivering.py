"""From a record in the ledger to somebody's endpoint."""

import itertools
from collections.abc import Callable

import pytest
from msgspec.structs import asdict
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from schemas.webhooks import (
    HOLD_MS,
    ChangeWebhook,
    ListWebhooks,
    NewSecret,
    RemoveWebhook,
    Replay,
)
from schemas.webhooks import Webhook as Told
from tests.contract.webhooks.conftest import OPERATOR, Office, Working
from tests.support import endpoint as endpoints
from tests.support.endpoint import answer, listening
from tests.support.records import (
    Ledger,
    event,
    message,
    offer,
    offer_ended,
    online,
    trip,
)
from tests.support.waiting import until_is

WAY = ["trip.requested", "trip.started", "trip.in_progress", "trip.completed"]


def moves(number: int) -> list:  # type: ignore[type-arg]
    return [event(trip(number, move)) for move in range(4)]


async def test_what_happens_is_sent_signed_and_in_order(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening() as there, working():
        await ledger.append(event(trip(8)))  # before there is a webhook
        hook = await office.add(there.url, "trip.*")
        for one in moves(1):
            await ledger.append(one)
        got = await there.has(4)
        assert there.types() == WAY
        for one in got:
            said = Webhook(hook.secret).verify(one.body, one.headers)
            assert set(said) == {"type", "timestamp", "data"}
            assert said["data"]["id"] == trip(1).id
        assert got[0].said["data"]["pick_up_address"] == "A"
        assert got[0].headers["content-type"] == "application/json"
        assert len({one.id for one in got}) == 4
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["taken"] * 4)
        rows = await office.deliveries(hook.id)
        assert [row.type for row in rows] == WAY[::-1]
        assert [row.webhook_id for row in rows] == [one.id for one in got[::-1]]
        assert {(row.trip, row.attempts, row.error) for row in rows} == {
            (trip(1).id, 1, None)
        }


async def test_each_is_sent_what_it_asked_for(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening() as all_, listening() as offers, listening() as chats:
        await office.add(all_.url, "*")
        await office.add(offers.url, "offer.made", "driver.*")
        await office.add(chats.url, "chat.message")
        async with working():
            await ledger.append(
                event(trip(1)),
                online("d1"),
                online("d1", online=False, why="missed_offers"),
                online("d1", why="operator", tags=("van",)),
                offer(trip(1), "d1"),
                offer_ended(trip(1), "d1", "expired"),
                message(f"trip_{trip(1).id}", 1),
                message("hall", 1),
            )
            await all_.has(7)
            await offers.has(3)
            await chats.has(2)
    assert sorted(all_.types()) == [
        *("chat.message", "chat.message", "driver.offline", "driver.online"),
        *("offer.ended", "offer.made", "trip.requested"),
    ]
    by_type = {one.type: one.said["data"] for one in offers.got}
    assert set(by_type) == {"driver.online", "driver.offline", "offer.made"}
    made = by_type["offer.made"]
    assert made["driver"] == {"id": "d1", "username": ""}
    assert made["trip"]["id"] == trip(1).id
    assert made["pick_up_eta_s"] == 150
    assert by_type["driver.offline"]["why"] == "missed_offers"
    assert {one.said["data"]["room"] for one in chats.got} == {
        "hall",
        f"trip_{trip(1).id}",
    }


async def test_a_failure_holds_its_trip_back_and_no_other(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening(answer(500)) as there, working():
        hook = await office.add(there.url, "trip.*")
        await ledger.append(*moves(1)[:3])
        await there.has(1)
        await ledger.append(*moves(2))
        await there.has(5)
        ids = [one.said["data"]["id"] for one in there.got]
        assert ids == [trip(1).id] + [trip(2).id] * 4
        # Its first retry, after 5 s, is taken; then the others go.
        office.clock.ahead_ms += 5_000
        await there.has(8)
        again = [one for one in there.got if one.said["data"]["id"] == trip(1).id]
        assert [one.type for one in again] == [WAY[0], *WAY[:3]]
        assert again[0].id == again[1].id
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["taken"] * 7)


async def test_after_five_minutes_a_trip_goes_on_without_what_fails(
    office: Office, working: Working, ledger: Ledger
) -> None:
    refused: list[str] = []

    async def fail_the_first(delivery, writer) -> None:  # type: ignore[no-untyped-def]
        is_first = delivery.type == "trip.requested"
        refused.extend([delivery.id] * is_first)
        await answer(503 if is_first else 200)(delivery, writer)

    async with listening(then=fail_the_first) as there, working():
        hook = await office.add(there.url, "trip.*")
        await ledger.append(*moves(1)[:2])
        await there.has(1)
        office.clock.ahead_ms += 5_000
        await there.has(2)
        assert there.types() == ["trip.requested"] * 2
        office.clock.ahead_ms += HOLD_MS - 5_000
        await until_is(
            lambda: office.statuses(hook.id), lambda s: s == ["waiting", "taken"]
        )
        await ledger.append(moves(1)[2])  # holds nobody back any more
        await until_is(
            lambda: office.statuses(hook.id),
            lambda s: s == ["waiting", "taken", "taken"],
        )
        rows = await office.deliveries(hook.id)
        assert rows[-1].error == "it answered 503 Service Unavailable"


async def test_who_is_refused_each_time_is_dead_after_the_last_and_can_be_replayed(
    office: Office, working: Working, ledger: Ledger
) -> None:
    waits_s = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    async with listening(*[answer(500)] * 10) as there, working():
        hook = await office.add(there.url, "trip.*")
        await ledger.append(moves(1)[0])
        for count, wait_s in enumerate(waits_s, 1):
            await there.has(count)
            await until_is(
                lambda: office.deliveries(hook.id),
                lambda rows, count=count: rows[0].attempts == count,
            )
            assert (await office.deliveries(hook.id))[0].status == "waiting"
            office.clock.ahead_ms += round(wait_s * 1.11 * 1000)
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["dead"])
        assert len(there.got) == 10
        await office.told("replay", Replay(hook.id, OPERATOR, 0), None)
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["taken"])
        assert {one.id for one in there.got} == {there.got[0].id}


async def test_one_that_hangs_holds_up_nobody_else(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with (
        listening(then=endpoints.hang) as hanging,
        listening() as there,
        working(),
    ):
        await office.add(hanging.url, "trip.*")
        hook = await office.add(there.url, "trip.*")
        for number in range(100):
            await ledger.append(event(trip(number)))
        await there.has(100)
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["taken"] * 100)
        assert len(hanging.got) <= 32


async def test_410_ends_a_webhook_and_a_redirect_is_not_followed(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening() as other, working():
        location = f"location: {other.url}"
        async with listening(answer(307, location), answer(410)) as there:
            hook = await office.add(there.url, "trip.*")
            await ledger.append(event(trip(1)))
            await there.has(1)
            rows = await until_is(
                lambda: office.deliveries(hook.id), lambda r: bool(r[0].error)
            )
            assert rows[0].error == "it answered 307 Temporary Redirect"
            await ledger.append(event(trip(2)))
            await ledger.append(event(trip(3)))
            await until_is(
                lambda: office.told("list", ListWebhooks(), list[Told]),
                lambda told: not told[0].active,
            )
            told = await office.told("list", ListWebhooks(), list[Told])
            assert told[0].ended == "its endpoint answered 410 Gone"
            statuses = await office.statuses(hook.id)
            assert "waiting" not in statuses
            assert other.got == []


@pytest.mark.parametrize("say", [endpoints.drip, endpoints.flood])
async def test_a_body_without_end_is_cut_off_and_its_delivery_taken(
    office: Office,
    working: Working,
    ledger: Ledger,
    say: endpoints.Answer,
) -> None:
    async with listening(then=say) as there, working():
        hook = await office.add(there.url, "trip.*")
        await ledger.append(*moves(1))
        await until_is(
            lambda: office.statuses(hook.id), lambda s: s == ["taken"] * 4, 20
        )


async def test_what_is_no_http_fails_and_is_told(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening(then=endpoints.garbage) as there, working():
        hook = await office.add(there.url, "trip.*")
        await ledger.append(event(trip(1)))
        rows = await until_is(
            lambda: office.deliveries(hook.id), lambda r: bool(r and r[0].error)
        )
        assert rows[0].status == "waiting"
        assert rows[0].error.startswith("it does not speak HTTP")


async def test_a_new_secret_signs_beside_the_old_one(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening() as there, working():
        hook = await office.add(there.url, "trip.*")
        asked = RemoveWebhook(hook.id, OPERATOR)
        new = await office.told("secret", asked, NewSecret)

        def signed_by(secret: str) -> bool:
            one = there.got[-1]
            try:
                Webhook(secret).verify(one.body, one.headers)
            except WebhookVerificationError:
                return False
            return True

        numbers = itertools.count(1)

        async def sent() -> None:
            await ledger.append(event(trip(next(numbers))))
            await there.has(len(there.got) + 1)

        async def sent_while(is_so: Callable[[], bool]) -> None:
            while is_so():  # until the worker's next plan
                await sent()

        await sent()
        assert signed_by(new.secret)
        assert signed_by(hook.secret)
        office.clock.ahead_ms += 12 * 3600 * 1000
        newest = await office.told("secret", asked, NewSecret)
        await sent_while(lambda: not signed_by(newest.secret))
        # Made anew again, and each that was signs its own 24 h.
        assert signed_by(new.secret)
        assert signed_by(hook.secret)
        office.clock.ahead_ms += 13 * 3600 * 1000
        await sent_while(lambda: signed_by(hook.secret))
        assert signed_by(new.secret)
        assert signed_by(newest.secret)
        office.clock.ahead_ms += 12 * 3600 * 1000
        await sent_while(lambda: signed_by(new.secret))
        assert signed_by(newest.secret)


async def test_a_webhook_is_changed_stopped_begun_again_and_removed(
    office: Office, working: Working, ledger: Ledger
) -> None:
    async with listening() as there, listening() as elsewhere, working():
        hook = await office.add(there.url, "trip.*")

        async def change(**what: object) -> Told:
            asked = ChangeWebhook(webhook=hook.id, by=OPERATOR, **what)  # type: ignore[arg-type]
            told: Told = await office.told("change", asked, Told)
            return told

        told = await change(url=elsewhere.url, events=["trip.requested"])
        assert asdict(told) == {
            **{f: getattr(hook, f) for f in told.__struct_fields__},
            "url": elsewhere.url,
            "events": ["trip.requested"],
            "updated": told.updated,
        }
        await ledger.append(*moves(1))
        await until_is(lambda: office.statuses(hook.id), lambda s: len(s) == 1)
        await change(active=False)
        await ledger.append(event(trip(2)))
        await change(active=True)
        await ledger.append(event(trip(3)))
        await until_is(lambda: office.statuses(hook.id), lambda s: s == ["taken"] * 2)
        ids = {row.trip for row in await office.deliveries(hook.id)}
        assert ids == {trip(1).id, trip(3).id}
        await office.told("remove", RemoveWebhook(hook.id, OPERATOR), None)
        assert await office.told("list", ListWebhooks(), list[Told]) == []
