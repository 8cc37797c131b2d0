"""/ops against `cabrank up`: an operator watches and helps, in two languages."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Route, expect

from tests.browser import axe
from tests.browser.conftest import NewTab
from tests.browser.site import PASSWORD, Site, before
from tests.browser.street import named, press
from tests.browser.tab import Tab
from tests.support.client import Client, welcomed
from tests.support.stack import Stack, cabrank
from tests.support.standing import until_free

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(400),  # each look by axe takes seconds on a busy machine
]

OPERATOR = "ops-olga"
NEAR = {"lat": 44.5380, "lon": 7.4240}
"""Farther from the other files' drivers than anybody is sent."""
FAR = {"lat": 44.5480, "lon": 7.4340}


@pytest_asyncio.fixture(loop_scope="session")
async def site(stack: Stack) -> AsyncIterator[Site]:
    async with before(stack) as made:
        yield made


@pytest.fixture(scope="module")
def operator(stack: Stack) -> str:
    made = cabrank(
        *("user", "add", OPERATOR, "--role", "operator"),
        *("--data-dir", str(stack.data_dir)),
        stdin=PASSWORD,
        settings=stack.settings,
    )
    assert made.returncode == 0, made.stderr
    return OPERATOR


async def session(site: Site, name: str, role: str) -> tuple[str, Client]:
    """A new user's id and their session, without a page."""
    made = await site.sign_up(name, role, name.title())
    client, _ = await welcomed(site.upstream, made["access"])
    return made["user"]["id"], client


async def on_duty(
    site: Site, desk: str, name: str, place: dict[str, float]
) -> tuple[str, Client]:
    """A new driver, free for offers. `desk`: an operator's token."""
    user, client = await session(site, name, "driver")
    await client.do("driver.online", {"offers": True})
    await client.send({"type": "driver.location", "data": place})
    await until_free(site.upstream, desk, user)
    return user, client


async def watch(tab: Tab, operator: str, view: str = "") -> None:
    await tab.visit(f"/ops{view}")
    await tab.page.locator("#username").fill(operator)
    await tab.page.locator("#password").fill(PASSWORD)
    await tab.page.locator("#logging-in button[type=submit]").click()
    await expect(tab.page.locator("#tiles")).to_be_visible()


async def works(tab: Tab) -> None:
    """What is shown is for everybody, in either light, and at 200 %."""
    await axe.finds_nothing_serious_in_either_light(tab.page)
    for size in ((640, 400), (320, 640)):
        await tab.fits(*size)


async def has_standbys(route: Route) -> None:
    """As a gateway tells of a region with two, of which the nearer one lags."""
    told = (await (await route.fetch()).json())[0]
    told |= {"standbys": 2, "standbys_ready": 1, "standby_behind": 1_700}
    await route.fulfill(json=[told])


HOLD = """async () => {
  const { Rows } = await import("/static/pages/ops/rows.js");
  const root = document.createElement("ol");
  document.body.append(root);
  const rows = new Rows(root);
  const item = (id) => ({ id, href: "#", title: id, more: "", mark: "", state: "" });
  const show = (...ids) => {
    rows.show(ids.map(item));
    return document.activeElement.querySelector("strong")?.textContent ?? null;
  };
  show("a", "b", "c", "d");
  root.children[1].firstChild.focus();
  const held = [show("b", "a", "c", "d"), show("a", "c", "d", "b"), show("d", "b")];
  held.push(show("d", "c"), show("d"), show("x", "d"));
  root.remove();
  return held;
}"""
"""Lists that are sorted anew, and lose who has the focus: whose it is then."""


def row(tab: Tab, text: str) -> Locator:
    return tab.page.locator("#list a", has_text=text)


async def test_an_operator_sees_why_a_trip_waits_gives_it_to_a_driver_and_ends_it(
    site: Site, new_tab: NewTab, operator: str, desk: str
) -> None:
    _, dora = await on_duty(site, desk, "ops-dora", NEAR)
    _, dave = await on_duty(site, desk, "ops-dave", FAR)
    _, rita = await session(site, "ops-rita", "rider")
    tab = await new_tab(locale="en-GB", viewport={"width": 1360, "height": 820})
    await watch(tab, operator)
    page = tab.page
    await expect(page.locator("#list-count")).to_have_text("No such trips now.")
    await axe.finds_nothing_serious(page)

    asked = {"pick_up_address": "1 Quay", "drop_off_address": "2 Hill"}
    await rita.do("trip.request", {**asked, "pick_up": NEAR})
    offer = (await dora.expect("trip.offered"))["data"]
    await row(tab, "1 Quay → 2 Hill").click()
    await expect(page.get_by_role("heading", name="1 Quay → 2 Hill")).to_be_visible()
    await expect(page.locator("#why")).to_contain_text("ops-dora")
    await expect(page.locator("#why")).to_contain_text("lives")
    await dora.do("trip.decline", {"id": offer["trip"]["id"], "offer": offer["offer"]})
    await dave.expect("trip.offered")
    whom = page.get_by_placeholder("A driver's name or id: why not them?")
    await whom.fill("ops-d")
    await whom.press("Enter")
    several = page.get_by_text("Several are called that: type more of the name.")
    await expect(several).to_be_visible()
    await whom.fill("ops-dora")
    await whom.press("Enter")
    verdicts = page.locator("#why ol")
    await expect(verdicts).to_contain_text("declined it")
    await expect(verdicts).to_be_focused()
    await expect(several).to_be_hidden()
    # So after a reload, or where somebody is sent the address.
    await page.reload()
    await expect(verdicts).to_contain_text("declined it")
    await works(tab)

    # Dave was asked and Dora declined: there is one driver for the trip, far from it.
    await page.get_by_role("link", name="Cells").click()
    await expect(page.locator("#cells-count")).to_contain_text("short of drivers")
    cells = page.locator("#cells a")
    await expect(cells.first).to_contain_text("waiting: 1")
    await expect(cells.first).to_contain_text("longest")
    await cells.first.press("Enter")
    await expect(page.locator("#cells a[aria-current]")).to_have_count(1)
    await expect(page.locator("#tiles .chart canvas")).to_have_count(5)
    await works(tab)
    await page.reload()
    await expect(page.locator("#cells a[aria-current]")).to_have_count(1)
    await page.go_back()
    await page.go_back()

    # What is looked at stands in the address: a reload shows it again.
    await page.reload()
    await expect(page.get_by_role("heading", name="1 Quay → 2 Hill")).to_be_visible()
    await expect(page.locator("#timeline")).to_contain_text("Asked for")
    choice = page.get_by_label("Assign to…")
    title = page.locator("#trip-title")
    await expect(choice.locator("option", has_text="ops-dora")).to_have_count(1)
    near = await choice.locator("option", has_text="ops-dora").get_attribute("value")
    await choice.select_option(near)
    await named(tab, "Assign").press("Enter")
    await dora.expect("trip.started")
    await expect(title).to_be_focused()
    await expect(page.locator("#trip-facts")).to_contain_text("Ops-Dora")
    await expect(page.locator("#timeline")).to_contain_text("A driver accepted")

    await page.locator("#talk summary").click()
    await page.get_by_label("Message", exact=True).fill("Dora is near.")
    await page.get_by_label("Message", exact=True).press("Enter")
    heard = await rita.expect("chat.message")
    assert heard["data"]["text"] == "Dora is near."

    await dora.do("trip.begin", {"id": offer["trip"]["id"]})
    # By keys alone: who confirms goes on where the trip is told.
    await named(tab, "Complete the trip").press("Enter")
    await expect(named(tab, "Yes, complete")).to_be_focused()
    await page.keyboard.press("Enter")
    await rita.expect("trip.completed")
    await expect(page.locator("#trip-facts")).to_contain_text("done")
    await expect(title).to_be_focused()
    await found_when_it_has_ended(tab, offer["trip"]["id"])
    for client in (dora, dave, rita):
        await client.close()


async def found_when_it_has_ended(tab: Tab, trip: str) -> None:
    """By its id, in the list of those that go on; and beside the rider."""
    page = tab.page
    await page.get_by_role("link", name="Trips", exact=True).press("Enter")
    await page.get_by_label("Search").fill(trip)
    await expect(row(tab, "1 Quay → 2 Hill")).to_contain_text("done")
    await row(tab, "1 Quay → 2 Hill").press("Enter")
    await page.locator("#trip-facts").get_by_role("link", name="Ops-Rita").click()
    newest = page.locator("#person-trips li")
    await expect(newest).to_have_count(1)
    await expect(newest).to_contain_text("1 Quay → 2 Hill")


async def hear_of_drivers(site: Site, desk: str) -> tuple[httpx.AsyncClient, str]:
    """An operator's client, and the path of a webhook that nobody answers."""
    headers = {"Authorization": f"Bearer {desk}"}
    web = httpx.AsyncClient(base_url=site.upstream, headers=headers, trust_env=False)
    body = {"url": "https://nobody.invalid/hook", "events": ["driver.*"]}
    made = await web.post("/api/webhooks", json=body)
    assert made.status_code == 201, made.text
    return web, f"/api/webhooks/{made.json()['id']}"


async def look_until(tab: Tab, text: str) -> None:
    """At a webhook's deliveries, which come a moment later."""
    deadline = time.monotonic() + 30
    again = tab.page.get_by_role("button", name="Look again")
    while text not in await tab.page.locator("#hooks ol").inner_text():
        assert time.monotonic() < deadline, text
        async with tab.page.expect_response("**/deliveries*"):
            await again.click()


async def test_an_operator_finds_a_driver_tells_them_something_and_logs_them_out(
    site: Site, new_tab: NewTab, operator: str, desk: str
) -> None:
    _, dan = await on_duty(site, desk, "ops-dan", NEAR)
    tab = await new_tab(locale="en-GB", color_scheme="dark")
    await watch(tab, operator, "#tab=drivers")
    page = tab.page
    await page.get_by_label("Search").fill("ops-dan")
    await row(tab, "ops-dan").click()
    await expect(page.get_by_role("heading", name="ops-dan")).to_be_visible()
    await expect(page.locator("#person-facts")).to_contain_text("Status")
    await page.get_by_placeholder("Tags, with commas").fill("xl, dog")
    await page.get_by_placeholder("Tags, with commas").press("Enter")
    await expect(page.locator("#person-facts")).to_contain_text("dog, xl")
    await page.get_by_placeholder("A notice to them").fill("Come to the office.")
    await page.get_by_placeholder("A notice to them").press("Enter")
    assert (await dan.expect("notice"))["data"] == {"text": "Come to the office."}
    await expect(page.locator("#person-sessions")).to_contain_text("Sessions (1)")
    await works(tab)
    web, hook = await hear_of_drivers(site, desk)
    await dan.do("driver.offline")
    closed = asyncio.create_task(dan.closed())
    await named(tab, "End all sessions").press("Enter")
    await expect(named(tab, "Yes, log out")).to_be_focused()
    await page.keyboard.press("Enter")
    assert await closed == 4503
    await expect(page.locator("#person-sessions")).to_contain_text("Logged in nowhere")
    await expect(named(tab, "End all sessions")).to_be_focused()
    await page.get_by_role("link", name="Webhooks").press("Enter")
    await expect(page.locator("#hooks-title")).to_be_focused()
    await page.get_by_text("https://nobody.invalid/hook").click()
    await look_until(tab, "driver.offline")
    await works(tab)
    # The one that is unfolded is so after a reload.
    await page.reload()
    await expect(page.locator("#hooks li")).to_contain_text(["driver.offline"])
    await web.delete(hook)
    await web.aclose()
    await page.reload()
    await expect(page.locator("#hooks")).to_contain_text("No webhooks yet")
    await page.get_by_role("link", name="Health").press("Enter")
    await expect(page.locator("#health-title")).to_be_focused()
    await expect(page.locator("#health")).to_contain_text("All is well")
    await expect(page.locator("#health")).to_contain_text("tells what happens")
    regions = page.locator("#regions")
    await expect(regions).to_contain_text("Region main")
    await expect(regions).to_contain_text("epoch")
    await expect(regions).to_contain_text("none: who leads is alone")
    await expect(regions).to_contain_text("up to date")
    await expect(regions).to_contain_text("none read it")
    await works(tab)


async def test_an_operator_finds_a_rider_and_an_operator_among_the_users(
    site: Site, new_tab: NewTab, operator: str
) -> None:
    for name, first in (("who-ria", "Riá"), ("who-rob", "Zoë Whorob")):
        await site.sign_up(name, first_name=first)
    await site.sign_up("who-dan", "driver")
    tab = await new_tab(locale="en-GB")
    await watch(tab, operator, "#tab=users")
    page = tab.page
    users = page.locator("#users a")
    search = page.get_by_label(
        "How a username, a first or a last name begins, or an id"
    )
    await search.fill("WHO-")
    await expect(users).to_have_count(3)
    await page.get_by_label("Role").select_option("rider")
    await expect(users).to_have_count(2)
    await works(tab)
    await search.fill("zoe who")
    await expect(users).to_have_count(1)
    # As the address has it, after a reload too.
    await page.reload()
    await expect(users).to_have_count(1)
    # By keys alone: past the role to the first of those found.
    await search.press("Tab")
    await page.keyboard.press("Tab")
    await expect(users).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Zoë Whorob")).to_be_focused()
    facts = page.locator("#person-facts")
    await expect(facts).to_contain_text("rider")
    await expect(facts).to_contain_text("who-rob")
    await expect(page.locator("#person-sessions")).to_contain_text("Sessions (1)")
    await expect(page.get_by_placeholder("Tags, with commas")).to_have_count(0)
    await expect(page.locator("#person-trips")).to_contain_text("No trips yet")
    await works(tab)
    await page.get_by_role("link", name="Back to the list").press("Enter")
    await page.get_by_label("Role").select_option("operator")
    await search.fill("nobody-")
    await expect(page.locator("#users-count")).to_have_text("Nobody is called that.")
    await search.fill(operator)
    await expect(users).to_have_count(1)


async def test_it_comes_back_after_a_loss_speaks_german_and_is_for_operators(
    site: Site, new_tab: NewTab, operator: str
) -> None:
    await site.sign_up("ops-rob")
    tab = await new_tab(locale="de-DE", viewport={"width": 390, "height": 780})
    await watch(tab, operator)
    page = tab.page
    await expect(page.get_by_role("heading", name="Leitstelle")).to_be_visible()
    await expect(page.locator("#list-count")).to_have_text("Keine solchen Fahrten.")
    await axe.finds_nothing_serious(page)
    await site.cable.cut()
    await expect(page.locator("#status")).to_be_visible()
    await site.cable.lay()
    await expect(page.locator("#status")).to_be_hidden()
    _, rita = await session(site, "ops-rosa", "rider")
    asked = {"pick_up_address": "Hafen", "drop_off_address": "Berg"}
    trip = await rita.do("trip.request", asked)
    await row(tab, "Hafen → Berg").click()
    await expect(page.locator("#why")).to_contain_text("keine Koordinaten")
    held = ["b", "b", "b", "c", "d", "d"]
    assert await page.evaluate(HOLD) == held
    await press(tab, "Fahrt absagen", "Ja, absagen")
    assert (await rita.expect("trip.cancelled"))["data"]["id"] == trip["id"]
    await rita.close()
    await page.route("**/api/regions", has_standbys)
    await page.get_by_role("link", name="Zustand").click()
    standby = page.get_by_text("1 von 2 können übernehmen, 1.700 Einträge zurück")
    await expect(standby).to_be_visible()
    await works(tab)
    await named(tab, "Abmelden").click()
    await tab.page.locator("#username").fill("ops-rob")
    await tab.page.locator("#password").fill(PASSWORD)
    await page.locator("#logging-in button[type=submit]").click()
    await expect(page.locator("#other-role")).to_contain_text("ops-rob")
