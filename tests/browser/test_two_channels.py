"""The two-channel page in a real browser on a real hub: one person at two doors, live."""

import psycopg
import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # the first test also waits for the hub
PRICE = 199  # yuan, of the product that is chosen at first
WIDTHS = (360, 390, 768, 1024, 1280, 1920)  # of phones, tablets and desks, in CSS pixels
LONGEST = 10_000  # ms that a change may take to arrive on a busy machine
SIDES = ("website", "mini")
CROSSED = {"member.updated": "mini-program", "order.placed": "website", "points.earned": "website"}


def test_one_person_is_one_member_on_both_sides_and_every_change_crosses_at_once(screen):
    screen.register_on_the_website()
    number = screen.text("website-member-number")
    screen.sign_in_from_wechat()
    expect(screen.at("hub-state")).to_have_attribute("data-state", "two")
    screen.bind_the_phone()
    for side in SIDES:
        expect(screen.at(f"{side}-member-number")).to_have_text(number)
        expect(screen.at(f"{side}-recognised")).to_be_visible()

    screen.rename_on_the_website("林晓")
    expect(screen.at("mini-nickname")).to_have_text("林晓")
    screen.order_from_wechat()
    screen.pay_in_wechat()
    assert_both_sides_show_it_paid(screen)
    assert_everything_arrived(screen.arrivals())

    screen.page.reload()
    for side in SIDES:
        expect(screen.at(f"{side}-connection")).to_have_attribute("data-state", "live")
        expect(screen.at(f"{side}-member-number")).to_have_text(number)
        expect(screen.at(f"{side}-nickname")).to_have_text("林晓")
    assert_both_sides_show_it_paid(screen)


def assert_both_sides_show_it_paid(screen):
    for side in SIDES:
        expect(screen.order(side)).to_have_attribute("data-status", "paid")
        expect(screen.at(f"{side}-points-pending")).to_have_attribute("data-value", str(PRICE))  # until returns close
        expect(screen.at(f"{side}-points")).to_have_attribute("data-value", "0")
    numbers = {screen.order(side).get_attribute("data-number") for side in SIDES}
    assert len(numbers) == 1
    expect(screen.at("website-entries").get_by_role("listitem")).to_have_count(1)


def assert_everything_arrived(arrivals):
    by_type = {arrival["type"]: arrival for arrival in reversed(arrivals)}  # the newest of each
    assert set(by_type) >= {"member.merged", "member.updated", "order.placed", "order.paid", "points.earned"}
    for arrival in arrivals:
        assert arrival["delays"], arrival
        assert all(0 <= int(delay["ms"]) < LONGEST for delay in arrival["delays"]), arrival
    for type, there in CROSSED.items():
        assert [delay["side"] for delay in by_type[type]["delays"] if delay["crossed"] == "yes"] == [there]
    told = [int(arrival["sequence"]) for arrival in arrivals if arrival["type"] != "member.merged"]
    assert told == list(range(told[0], told[0] - len(told), -1))


def test_the_keyboard_alone_signs_in_and_renames(screen):
    keyboard = screen.page.keyboard
    screen.tab_to("website-send-code")
    keyboard.press("Enter")
    expect(screen.at("website-code")).not_to_have_value("")
    screen.tab_to("website-agree")
    keyboard.press("Space")
    screen.tab_to("website-sign-in")
    keyboard.press("Enter")
    expect(screen.at("website-connection")).to_have_attribute("data-state", "live")

    screen.tab_to("website-nickname-edit")
    keyboard.press("Enter")
    expect(screen.at("website-nickname-input")).to_be_focused()
    keyboard.type("周棠")
    keyboard.press("Enter")
    expect(screen.at("website-nickname")).to_have_text("周棠")
    expect(screen.at("website-nickname-edit")).to_be_focused()
    screen.tab_to("mini-sign-in")


def test_english_is_english_throughout_and_every_control_has_a_name(screen):
    html = screen.page.locator("html")
    expect(html).to_have_attribute("lang", "zh-Hans")
    screen.press("language")
    expect(html).to_have_attribute("lang", "en")
    stages = [
        lambda: expect(screen.at("mini-agree").locator("..")).to_contain_text("Terms of membership"),
        lambda: screen.press("mini-sign-in", "website-by-qr"),
        lambda: screen.press("website-by-phone"),
        screen.register_on_the_website,
        screen.sign_in_from_wechat,
        lambda: screen.press("mini-bind-phone"),
        lambda: screen.press("mini-phone-allow"),
        lambda: expect(screen.at("mini-recognised")).to_be_visible(),
        lambda: screen.press("website-nickname-edit"),
        lambda: screen.press("website-nickname-save"),
        screen.order_from_wechat,
        lambda: screen.press("mini-pay"),
        lambda: screen.press("mini-pay-confirm"),
        lambda: expect(screen.order("website")).to_have_attribute("data-status", "paid"),
        lambda: expect(screen.at("website-points-pending")).to_have_attribute("data-value", str(PRICE)),
    ]
    for stage in stages:
        stage()
        assert screen.chinese() == []
        assert screen.nameless() == []
    assert screen.page.title().startswith("Member hub")
    for width in WIDTHS:
        screen.page.set_viewport_size({"width": width, "height": 800})
        assert screen.page.evaluate("() => document.documentElement.scrollWidth") == width


def test_without_the_tick_nobody_signs_in_and_nothing_is_sent(screen):
    sent = []
    screen.page.on("request", lambda request: sent.append(request.url) if "/auth/" in request.url else None)
    screen.press("mini-sign-in")
    expect(screen.at("mini-error")).to_have_attribute("data-kind", "error")
    expect(screen.at("mini-agree")).to_be_focused()
    assert not screen.at("mini-agree").is_checked()
    assert sent == []
    screen.press("mini-agree", "mini-sign-in")
    expect(screen.at("mini-member-number")).to_be_visible()
    expect(screen.at("mini-error")).to_have_attribute("data-kind", "none")


def test_a_scan_by_the_same_wechat_opens_the_same_member_on_the_website(screen):
    screen.sign_in_from_wechat()
    screen.press("website-by-qr", "website-agree", "website-qr-scan")
    expect(screen.at("hub-state")).to_have_attribute("data-state", "one")
    assert screen.text("website-member-number") == screen.text("mini-member-number")


def test_sockets_that_break_are_mended_and_miss_nothing(screen, hub):
    screen.register_on_the_website()
    screen.sign_in_from_wechat()
    screen.bind_the_phone()
    hub.kill("live")
    expect(screen.at("mini-connection")).to_have_attribute("data-state", "reconnecting")
    screen.rename_on_the_website("叶清和")
    for side in SIDES:
        expect(screen.at(f"{side}-connection")).to_have_attribute("data-state", "live", timeout=30_000)
        expect(screen.at(f"{side}-nickname")).to_have_text("叶清和")
    renamed = screen.page.locator("[data-type='member.updated']").first
    expect(renamed.get_by_test_id("delay")).to_have_count(2)
    assert all("WebSocket connection" in complaint for complaint in screen.complaints)
    screen.complaints.clear()


def test_texts_that_changed_meanwhile_are_agreed_to_before_one_becomes_a_member(screen, hub):
    publish_new_terms(hub.database_url)
    screen.press("mini-agree", "mini-sign-in")
    phone = screen.at("mini")
    expect(phone.get_by_test_id("consent-check")).not_to_have_count(0)
    for tick in phone.get_by_test_id("consent-check").all():
        tick.check()
    phone.get_by_test_id("consent-agree").click()
    expect(screen.at("mini-member-number")).to_be_visible()
    [refused] = screen.complaints
    assert "422" in refused
    screen.complaints.clear()


def publish_new_terms(database_url):
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE members_policy SET is_current = FALSE, retired_at = now() WHERE purpose = 'terms' AND is_current"
        )
        connection.execute(
            "INSERT INTO members_policy (purpose, version, locale, channel_id, title, text_url, text_digest,"
            " is_required, is_current)"
            " SELECT purpose, version || '.1', locale, channel_id, title, text_url, text_digest, is_required, TRUE"
            " FROM members_policy WHERE purpose = 'terms' AND retired_at = (SELECT max(retired_at) FROM members_policy)"
        )


def test_the_demo_plays_the_whole_story_by_itself(screen):
    screen.press("demo")
    expect(screen.order("website")).to_have_attribute("data-status", "paid", timeout=60_000)
    expect(screen.at("story").locator("[data-state=done]")).to_have_count(6)
    assert screen.text("website-nickname") == screen.text("mini-nickname") == screen.text("person-name")
    expect(screen.at("demo")).to_have_text("播放演示")
