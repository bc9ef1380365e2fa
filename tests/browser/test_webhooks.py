"""A webhook from its adding to its replay, with a program at the other end; and how its pages look."""

import pytest
from playwright.sync_api import Browser, Page, expect
from skimage import data
from standardwebhooks import Webhook

from tests.browser.conftest import sign_in
from tests.browser.test_journey import jpeg
from tests.browser.test_look import problems
from tests.house import House, wait_for
from tests.receiver import Receiver, Sent


@pytest.fixture(autouse=True)
def anew(receiver: Receiver) -> None:
    """The receiver hears everything, and has heard nothing yet."""
    receiver.answers, receiver.got = [200], []


def add(page: Page, url: str) -> str:
    """The secret of a webhook that is added by hand."""
    page.goto("/account/")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Address").fill(url)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Signing secret").click()
    return page.locator("#secret").input_value()


def told(secret: str, sent: Sent) -> str:
    """What a message says it is, if the secret proves it."""
    return str(Webhook(secret).verify(sent.body, dict(sent.headers))["type"])


def test_a_webhook_is_added_told_tested_changed_and_replayed(page: Page, house: House, receiver: Receiver) -> None:
    secret = add(page, receiver.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("localhost")
    address, log = page.url, page.locator("#log li")

    house.send(house.client(), {"coffee.jpg": jpeg(data.coffee())})
    wait_for(lambda: len(receiver.got) == 2, 60)
    assert sorted(told(secret, sent) for sent in receiver.got) == ["job.completed", "upload.completed"]
    page.reload()
    expect(log).to_have_count(2)
    expect(log.first).to_contain_text("coffee")

    page.get_by_role("button", name="Send a test").click()
    expect(log).to_have_count(3)
    expect(log.first).to_contain_text("Delivered", timeout=20_000)  # without a reload
    expect(log.first).to_contain_text("A test")

    page.get_by_text("Signing secret").click()
    page.get_by_role("button", name="Change the secret").click()
    expect(page.get_by_text("The old secret also signs until")).to_be_visible()
    new = page.locator("#secret").input_value()
    assert new != secret

    log.first.get_by_role("link").click()
    expect(page.locator("details[id^=try]")).to_have_count(1, timeout=20_000)
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("details[id^=try]")).to_have_count(2, timeout=20_000)
    expect(page.locator("#delivery .badge").last).to_have_text("Delivered")
    first, again = receiver.got[2:]
    assert (first.headers["webhook-id"], first.body) == (again.headers["webhook-id"], again.body)
    assert told(secret, again) == told(new, again)

    receiver.answers = [410]
    page.goto(address)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("button", name="Switch on again")).to_be_visible(timeout=20_000)
    receiver.answers = [200]
    page.get_by_role("button", name="Switch on again").click()
    page.get_by_text("Send again").click()
    page.get_by_role("button", name="1 of the last hour").click()
    expect(page.get_by_text("1 message on the way again.")).to_be_visible()
    expect(log.first).to_contain_text("Delivered", timeout=20_000)

    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


def test_what_was_opened_or_closed_stays_so_while_the_page_looks_again(page: Page, receiver: Receiver) -> None:
    receiver.answers = [500]
    add(page, receiver.url)
    page.get_by_role("button", name="Send a test").click()
    page.locator("#log li").filter(has_text="500").get_by_role("link").click()
    fold = page.locator("details[id^=try]").last
    fold.locator("summary").click()
    left = fold.evaluate("(fold) => fold.open")
    page.locator("#delivery").evaluate("(shown) => { shown.dataset.old = 'yes' }")
    expect(page.locator("#delivery")).not_to_have_attribute("data-old", "yes", timeout=20_000)
    assert fold.evaluate("(fold) => fold.open") == left


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_its_pages_and_nothing_scrolls_sideways(
    chromium: Browser, house: House, receiver: Receiver, theme: str
) -> None:
    receiver.answers = [500]
    found: list[str] = []
    with chromium.new_context(
        base_url=house.url, color_scheme=theme, bypass_csp=True, reduced_motion="reduce",  # type: ignore[arg-type]
    ) as context:  # fmt: skip
        page = context.new_page()
        sign_in(page)
        add(page, f"{receiver.url}/{'a-long-way-' * 20}")
        page.get_by_role("button", name="Send a test").click()
        webhook = page.url
        page.locator("#log li").first.get_by_role("link").click()
        expect(page.locator("details[id^=try]")).to_have_count(1, timeout=20_000)
        for path in ("/webhooks/", webhook, page.url):
            for width in (1280, 320):
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(path)
                page.evaluate("document.querySelectorAll('main details').forEach((fold) => { fold.open = true })")
                found += problems(page)
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                found += [f"{path} is {wide} px too wide at {width}"] if wide > 0 else []
    assert found == []
