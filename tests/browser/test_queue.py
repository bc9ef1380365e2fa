"""The queue page as operators use it: retry what failed and watch it, pause, by keys alone, without JavaScript; and how
it looks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import sign_in
from tests.browser.test_look import LONG, problems
from tests.conftest import picture
from tests.house import House, wait_for

PAGE = "/admin/processing/queue/"
DONE = "SELECT count(*) AS n FROM processing_upload WHERE status = 'completed'"
FAILED = """UPDATE processing_upload SET status = 'failed', error_code = 'fetch_timeout', error_message = 'It did not
            answer.', error_remedy = 'Try again later.', error_detail = 'Traceback', finished_at = changed_at"""


@pytest.fixture
def failed(house: House) -> int:
    """The number of a job of two photos that failed, and whose retry will succeed."""
    sent = house.send(house.client(), {LONG: picture(200, 150), "cup.jpg": picture(210, 150)}, remove_bg="")
    job = int(re.findall(r"\d+", sent)[0])
    wait_for(lambda: house.rows(f"SELECT 1 FROM ({DONE} AND job_id = {job}) AS done WHERE n = 2"), 60)
    house.change(f"{FAILED} WHERE job_id = {job}")
    return job


@pytest.fixture(autouse=True)
def resumed(house: House) -> Iterator[None]:
    """A test that fails in the midst of a pause leaves none to those that come after it."""
    yield
    house.change("DELETE FROM processing_pause")


def test_what_failed_is_found_previewed_retried_and_seen_to_finish(page: Page, failed: int) -> None:
    page.goto(PAGE)
    page.get_by_label("State").select_option("failed")  # sends the form by itself
    page.wait_for_url("**q=state%3Afailed**")
    page.locator("#found").get_by_label("Job number").fill(str(failed))
    page.keyboard.press("Enter")
    expect(page.locator("#found-count")).to_have_text("2 photos match")

    page.get_by_role("link", name="Retry all that match").click()
    dialog = page.get_by_role("dialog", name="Retry 2 photos?")
    expect(dialog.get_by_role("definition").first).to_have_text("2")
    dialog.get_by_label("How fast").select_option("20 a minute")
    dialog.get_by_role("button", name="Retry 2 photos").click()
    expect(page.get_by_text("Retrying 2 photos.")).to_be_visible()
    expect(page.locator("#queue-acts")).to_contain_text("1 of 2", timeout=20_000)
    expect(page.locator("#queue-acts")).to_contain_text("Retried: 2 of 2", timeout=20_000)  # without a reload

    page.goto(f"{PAGE}?q=job:{failed} state:completed")
    expect(page.locator("#found-count")).to_have_text("2 photos match", timeout=20_000)
    page.goto(f"{PAGE}log")
    expect(page.get_by_role("row").nth(1)).to_contain_text(f"job:{failed} (2 photos)")


def test_a_photo_is_retried_and_others_selected_by_keys_alone(page: Page, failed: int) -> None:
    page.goto(f"{PAGE}?q=job:{failed} state:failed")
    page.get_by_label("Select this page").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Delete…").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete 2 photos?")
    expect(dialog.get_by_role("link", name="Back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    retry = page.get_by_role("button", name="Retry cup.jpg")
    retry.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 photo queued again.")).to_be_visible()
    expect(retry).to_have_count(0)  # the list is read anew
    expect(page.get_by_role("button", name=f"Retry {LONG}")).to_be_visible()


def test_the_queue_is_paused_and_resumed(page: Page) -> None:
    page.goto(PAGE)
    page.get_by_role("button", name="Pause", exact=True).first.click()
    expect(page.get_by_text("The queue is paused.", exact=True)).to_be_visible()
    page.locator("#queue-steer").get_by_role("button", name="Resume").first.click()
    expect(page.get_by_text("The queue is paused.", exact=True)).to_have_count(0)
    expect(page.locator("#queue-toggle")).to_have_text("Pause")


def test_a_drain_leaves_no_menu_over_its_resume(page: Page) -> None:
    page.goto(PAGE)
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name=re.compile("^Drain:")).click()
    expect(page.get_by_text("The queue drains.", exact=True)).to_be_visible()  # the notice says more
    expect(page.locator("#queue-menu")).not_to_have_attribute("open", "")
    page.locator("#queue-go-on").click()
    expect(page.get_by_text("The queue drains.", exact=True)).to_have_count(0)


def test_it_works_without_javascript(chromium: Browser, house: House, failed: int) -> None:
    with chromium.new_context(base_url=house.url, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page)
        page.goto(f"{PAGE}?q=job:{failed}")
        page.get_by_label("State").select_option("failed")
        page.get_by_role("button", name="Filter").click()
        page.get_by_label("Select cup.jpg").check()
        page.locator(".selected-acts").get_by_role("button", name="Retry").click()
        expect(page.get_by_text("1 photo queued again.")).to_be_visible()
        page.get_by_role("link", name="Retry all that match").click()
        page.get_by_role("button", name="Retry 1 photo").click()
        expect(page.get_by_text("Retrying 1 photo.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    chromium: Browser, house: House, failed: int, theme: str
) -> None:
    [(pk,)] = house.rows(f"SELECT min(id) FROM processing_upload WHERE job_id = {failed}")
    asked = (f"?q=job:{failed}", "?q=state:gone", f"photos/{pk}/", "log", "preview?verb=retry&q=state:failed",
             f"preview?verb=delete&upload={pk}")  # fmt: skip
    found: list[str] = []
    with chromium.new_context(
        base_url=house.url, color_scheme=theme, bypass_csp=True, reduced_motion="reduce",  # type: ignore[arg-type]
    ) as context:  # fmt: skip
        page = context.new_page()
        sign_in(page)
        for path in asked:
            page.goto(f"{PAGE}{path}")
            for width in (1280, 390, 320) if theme == "light" else (1280,):
                page.set_viewport_size({"width": width, "height": 800})
                found += problems(page) if width == 1280 or path == asked[0] else []
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                found += [f"{path} is {wide} px too wide at {width}"] if wide > 0 else []
    assert found == []
