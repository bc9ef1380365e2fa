"""A review by keyboard alone: accept, take back, keep the original, redo; then there is nothing left to review."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from skimage import data

from tests.house import House, wait_for


@pytest.fixture
def review(house: House) -> str:
    """The path of a job whose three cut-outs are flagged."""
    out = io.BytesIO()
    Image.fromarray(data.coffee()).resize((300, 200)).save(out, "JPEG")
    path = house.send(house.client(), {f"cup-{number}.jpg": out.getvalue() for number in (1, 2, 3)})
    job = int(path.split("/")[-2])
    count = f"SELECT count(*) FROM processing_upload WHERE job_id = {job} AND status = 'completed'"
    wait_for(lambda: house.rows(count) == [(3,)], 60)
    flag = "UPDATE processing_upload SET needs_review = true, review_reason = '19% is unsure.'"
    house.change(f"{flag} WHERE job_id = {job}")
    return path


def verdicts(house: House, path: str) -> list[str]:
    job = int(path.split("/")[-2])
    rows = house.rows(f"SELECT verdict FROM processing_upload WHERE job_id = {job} ORDER BY position")
    return [verdict for (verdict,) in rows]


def opened(page: Page, name: str) -> None:
    """This photo's page is there, with its scripts: a key pressed before that is lost."""
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.wait_for_load_state()


def test_a_job_is_reviewed_by_keyboard_alone(page: Page, house: House, review: str) -> None:
    place = page.get_by_text("To review,")
    page.goto(review)
    page.get_by_role("link", name="Review 3", exact=True).press("Enter")
    expect(place).to_have_text("To review, 1 of 3")
    opened(page, "cup-1.jpg")
    first = page.url
    expect(page.get_by_role("heading", name="19% is unsure.")).to_be_visible()

    page.keyboard.down("Space")
    expect(page.locator(".before")).to_have_css("clip-path", "none")
    page.keyboard.up("Space")
    expect(page.locator(".before")).not_to_have_css("clip-path", "none")

    page.keyboard.press("a")
    opened(page, "cup-2.jpg")
    expect(page.get_by_text("1 photo accepted.")).to_be_visible()
    assert verdicts(house, review) == ["accepted", "", ""]
    page.keyboard.press("u")
    page.wait_for_url(first)
    opened(page, "cup-1.jpg")
    expect(place).to_have_text("To review, 1 of 3")

    page.keyboard.press("a")
    opened(page, "cup-2.jpg")
    page.keyboard.press("j")
    opened(page, "cup-3.jpg")
    page.keyboard.press("k")
    opened(page, "cup-2.jpg")
    page.keyboard.press("o")
    opened(page, "cup-3.jpg")
    page.keyboard.press("1")
    page.wait_for_url(re.compile(f"{review}$"))

    expect(page.locator('.photo[data-state="completed"]')).to_have_count(3, timeout=60_000)
    expect(page.get_by_role("link", name=re.compile("^Review"))).to_have_count(0)
    assert verdicts(house, review) == ["accepted", "original", ""]


def test_single_keys_can_be_switched_off(page: Page, house: House, review: str) -> None:
    page.goto(review)
    page.evaluate("localStorage.setItem('keys', 'off')")
    page.get_by_role("link", name="Review 3", exact=True).click()
    expect(page.get_by_text("To review,")).to_have_text("To review, 1 of 3")
    opened(page, "cup-1.jpg")
    page.keyboard.press("a")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("1 photo accepted.")).to_be_visible()
    assert verdicts(house, review) == ["accepted", "", ""]


def test_a_selection_is_accepted_at_once(page: Page, house: House, review: str) -> None:
    page.goto(review)
    for card in page.locator(".photo .pick").all()[:2]:
        card.check()
    page.locator("#selection-bar").get_by_role("button", name="Accept").click()
    expect(page.locator('.photo[data-state="review"]')).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator('.photo[data-state="review"]')).to_have_count(3)
