"""The page of the API: everything is there, and can be tried out, signed in or with a token."""

import json

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.house import House


def try_out(page: Page, operation: str, body: str = "") -> str:
    """The status that came back, and the text of the answer."""
    block = page.locator(f"[id$='-{operation}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    if body:
        block.locator("textarea").fill(body)
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    expect(answer).to_be_visible()
    return answer.locator("td").first.inner_text().split()[0] + " " + answer.locator("code").first.inner_text()


def test_it_is_tried_out_with_the_session_and_with_a_token(page: Page, house: House, chromium: Browser) -> None:
    page.goto("/account/")
    page.get_by_role("link", name="API", exact=True).click()
    page.locator("#operations-tag-jobs").wait_for()
    assert try_out(page, "get_me").startswith("200")
    status, _, said = try_out(page, "create_token", '{"name": "Tried", "scopes": ["read"]}').partition(" ")
    assert status == "201"
    stranger(chromium, house, json.loads(said)["token"])


def stranger(chromium: Browser, house: House, token: str) -> None:
    context: BrowserContext = chromium.new_context(base_url=house.url)
    page = context.new_page()
    page.goto("/api/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container").first.locator("input").fill(token)
    page.locator(".auth-container").first.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Close", exact=True).first.click()
    assert '"name": "Tried"' in try_out(page, "get_me")
    context.close()
