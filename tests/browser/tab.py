"""A browser's tab as its user sees it: labels, buttons, what the log says."""

from playwright.async_api import Page, expect

from tests.browser.site import PASSWORD, Site
from tests.support.waiting import until_is


class Tab:
    """`faults`: what the page's console complained of; see `unexpected_faults`."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._hear)
        self.log = page.get_by_role("log")
        self.messages = page.locator("#log .text")
        self.unsent = page.locator("#unsent .text")
        self.members = page.locator("#member-list li")
        self.status = page.get_by_role("status")
        self.text = page.get_by_label("Message", exact=True)

    def _hear(self, message: object) -> None:
        text = getattr(message, "text", "")
        if "Content Security Policy" in text or "TrustedHTML" in text:
            self.faults.append(text)

    async def visit(self, path: str) -> None:
        await self.page.goto(self.site.url + path)

    async def log_in(self, username: str, password: str = PASSWORD) -> None:
        await self.page.get_by_label("Username").fill(self.site.named(username))
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in", exact=True).click()

    async def enter(self, room: str, username: str) -> None:
        """Into the room, and until its log is there."""
        await self.visit(f"/chat/{self.site.named(room)}")
        await self.log_in(username)
        await self.entered()

    async def entered(self) -> None:
        await expect(self.log).to_have_attribute("aria-busy", "false")

    async def say(self, *texts: str) -> None:
        for text in texts:
            await self.text.fill(text)
            await self.text.press("Enter")

    async def shows(self, *texts: str) -> None:
        """The log holds these and no other messages, and nothing is unsent."""
        await expect(self.messages).to_have_text(list(texts))
        await expect(self.unsent).to_have_count(0)

    async def has_members(self, *names: str) -> None:
        if not await self.members.first.is_visible():
            await self.page.locator("#members summary").click()
        await expect(self.members).to_have_text(list(names))

    async def fits(self, width: int, height: int) -> None:
        """In a window of that size nothing has to be scrolled sideways. 640 by 400 is a
        desk of 1280 by 800 at 200 %, 320 the least of WCAG 1.4.10.
        """
        before = self.page.viewport_size
        assert before is not None
        await self.page.set_viewport_size({"width": width, "height": height})
        beyond = "document.documentElement.scrollWidth - innerWidth"
        await until_is(lambda: self.page.evaluate(beyond), lambda pixels: pixels <= 0)
        await self.page.set_viewport_size(before)
