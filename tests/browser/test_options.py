"""The options of a new job as a person sets them: presets, backgrounds, a first try, a preset of one's own."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import allow
from tests.browser.test_journey import drop
from tests.conftest import picture


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    (tmp_path / "wall.jpg").write_bytes(picture(300, 200, colour="navy"))
    return tmp_path / "wall.jpg"


def test_presets_fill_the_form_and_the_photos_stay(page: Page) -> None:
    drop(page, {"photo.jpg": picture(300, 200)})
    page.get_by_role("link", name="Compress").click()
    expect(page.get_by_label("Remove the background")).not_to_be_checked()
    expect(page.locator("[data-more-said]")).to_have_text("quality 50")
    expect(page.get_by_role("link", name="Compress")).to_be_focused()
    page.get_by_role("link", name="On white").click()
    expect(page.get_by_role("radio", name="White")).to_be_checked()
    expect(page.get_by_role("link", name="On white")).to_have_attribute("aria-current", "true")
    page.get_by_label("Crop to the face").check()
    expect(page.locator(".choice[aria-current]")).to_have_count(0)
    expect(page.get_by_role("button", name="Start 1 file")).to_be_in_viewport()


def test_the_fold_says_what_is_not_as_usual(page: Page) -> None:
    said = page.locator("[data-more-said]")
    expect(said).to_have_text("as usual")
    page.get_by_text("More options").click()
    page.get_by_label("Format", exact=True).select_option("webp")
    page.get_by_label("Size", exact=True).fill("1200x1200")
    page.get_by_label("Clean the edge colour").uncheck()
    page.get_by_label("Quality").fill("60")
    page.get_by_label("Quality").press("Tab")
    expect(said).to_have_text("edge colour as it is, 1200x1200, WEBP, quality 60")


def test_a_background_goes_up_is_chosen_and_kept_in_a_preset(page: Page, wall: Path) -> None:
    allow(page, "422")
    page.locator("#background-image").set_input_files(wall)
    expect(page.get_by_role("radio", name="wall.jpg")).to_be_checked()
    page.locator("#background-image").set_input_files(__file__)
    expect(page.locator("#background-problem")).to_contain_text("Unsupported image format: text.")
    page.get_by_text("Name and save").click()
    page.get_by_label("Save these options as a preset").fill("Navy")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Saved presets")).to_contain_text("Navy")
    page.get_by_role("link", name="Cut-out").click()
    expect(page.get_by_role("radio", name="Transparent")).to_be_checked()
    page.get_by_label("Saved presets").select_option(label="Navy")
    expect(page.get_by_role("radio", name="wall.jpg")).to_be_checked()


def test_one_photo_is_tried_first_and_the_rest_wait(page: Page) -> None:
    drop(page, {f"photo-{number}.jpg": picture(300, 200 + number) for number in range(3)})
    page.get_by_role("button", name="Try one first").click()
    link = page.get_by_role("link", name="Look at it")
    expect(link).to_have_attribute("href", re.compile(r"/jobs/\d+/$"))
    expect(page.get_by_role("button", name="Start 3 files")).to_be_enabled()
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator(".photo")).to_have_count(1)


def test_what_the_server_finds_wrong_is_said_at_its_field(page: Page) -> None:
    allow(page, "422")
    drop(page, {"photo.jpg": picture(300, 200)})
    page.get_by_text("More options").click()
    size = page.get_by_label("Size", exact=True)
    size.fill("huge")
    page.get_by_text("More options").click()
    page.get_by_role("button", name="Start 1 file").click()
    expect(page.locator("#id_size_error")).to_be_visible()
    expect(size).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#upload-halt")).to_contain_text("Nothing was sent.")
    size.fill("200x")
    expect(page.locator("#upload-halt")).to_be_hidden()
    size.press("Tab")
    expect(page.locator("#id_size_error")).to_have_count(0)
    page.get_by_role("button", name="Start 1 file").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
