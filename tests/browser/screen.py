"""The two-channel page as a person meets it, and all that the browser has to say about it."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

HAN = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+")
CONTROLS = {"button", "checkbox", "combobox", "dialog", "link", "radio", "radiogroup", "textbox"}
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
    console.error(`the policy forbids ${violatedDirective} ${blockedURI}`));
"""
READ_ARRIVALS = """rows => rows.map(row => ({...row.dataset,
    delays: [...row.querySelectorAll("[data-testid=delay]")].map(delay => ({...delay.dataset}))}))"""
READ_TEXTS = """body => [body.innerText, ...[...body.querySelectorAll("*")].flatMap(element =>
    ["aria-label", "title", "placeholder", "alt"].map(name => element.getAttribute(name) ?? ""))]"""
# The page's pale radio buttons show their focus on the card around them.
SHOWS_FOCUS = """element => [element, element.closest("label")].some(seen => seen && (style =>
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1)(getComputedStyle(seen)))"""


class Screen:
    """One page in one browser profile."""

    def __init__(self, page: Page, origins: list[str]):
        self.page, self.origins = page, {urlsplit(origin)[:2] for origin in origins}
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"{error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _asked(self, url: str) -> None:
        if urlsplit(url)[:2] not in self.origins and not url.startswith("data:"):
            self.elsewhere.append(url)

    def open(self) -> None:
        """Load the page; return when both sides offer a way in."""
        http = next(f"{scheme}://{place}" for scheme, place in self.origins if scheme == "http")
        self.page.goto(f"{http}/sandbox/")
        for side in ("website", "mini"):
            expect(self.at(f"{side}-agree")).to_be_visible()

    def at(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def press(self, *testids: str) -> None:
        for testid in testids:
            self.at(testid).click()

    def text(self, testid: str) -> str:
        return self.at(testid).inner_text()

    # --- the story, step by step ------------------------------------------------------------------------------
    def register_on_the_website(self) -> None:
        """By phone, with the code that the sandbox's text message brought."""
        self.press("website-send-code")
        expect(self.at("website-code")).to_have_value(re.compile(r"\d{6}"))
        self.press("website-agree", "website-sign-in")
        expect(self.at("website-connection")).to_have_attribute("data-state", "live")

    def sign_in_from_wechat(self) -> None:
        self.press("mini-agree", "mini-sign-in")
        expect(self.at("mini-connection")).to_have_attribute("data-state", "live")

    def bind_the_phone(self) -> None:
        self.press("mini-bind-phone", "mini-phone-allow")
        expect(self.at("hub-state")).to_have_attribute("data-state", "one")
        expect(self.at("mini-connection")).to_have_attribute("data-state", "live")

    def rename_on_the_website(self, nickname: str) -> None:
        self.press("website-nickname-edit")
        self.at("website-nickname-input").fill(nickname)
        self.press("website-nickname-save")

    def order_from_wechat(self) -> None:
        self.press("mini-order")
        expect(self.order("website")).to_have_attribute("data-status", "pending_payment")

    def pay_in_wechat(self) -> None:
        self.press("mini-pay", "mini-pay-confirm")
        expect(self.order("website")).to_have_attribute("data-status", "paid")

    def order(self, side: str) -> Locator:
        """The newest order that a side shows."""
        return self.at(f"{side}-orders").get_by_test_id("order").first

    # --- what is looked at ------------------------------------------------------------------------------------
    def arrivals(self) -> list[dict]:
        """Each event that reached a side, newest first, with its delays as numbers of milliseconds."""
        return self.at("arrivals").get_by_test_id("arrival").evaluate_all(READ_ARRIVALS)

    def chinese(self) -> list[str]:
        """Chinese on the page, other than the button that leads back to it."""
        found = [match for text in self.page.locator("body").evaluate(READ_TEXTS) for match in HAN.findall(text)]
        return [text for text in found if text != "中文"]

    def nameless(self) -> list[str]:
        """Roles of controls of which a screen reader could say nothing but the role."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        seen = [node for node in nodes if not node["ignored"] and node["role"]["value"] in CONTROLS]
        assert seen
        return [node["role"]["value"] for node in seen if not node.get("name", {}).get("value", "").strip()]

    def tab_to(self, testid: str) -> None:
        """Go there by the Tab key alone; every stop on the way shows where the focus is."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            focused = self.page.locator(":focus")
            assert focused.count() == 0 or focused.evaluate(SHOWS_FOCUS), focused.evaluate("e => e.outerHTML")
            if focused.count() and focused.get_attribute("data-testid") == testid:
                return
        raise AssertionError(f"the Tab key never came to {testid}")
