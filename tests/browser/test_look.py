"""What every page owes to everybody: axe finds nothing, nothing scrolls sideways."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from skimage import data

from tests.browser.conftest import sign_in
from tests.browser.test_journey import jpeg, start
from tests.conftest import picture
from tests.house import House

LONG = "a name that somebody gave to a photo and that is a good deal longer than any line on any screen.jpg"
PAGES = ("/", "/models/", "/jobs/", "/jobs/?q=nothing-is-called-so", "/links/", "/account/", "/account/presets/",
         "/account/invitations/", "/products/", "/webhooks/", "/nowhere")  # fmt: skip
WRONG = f"sku,title,images\r\n1,{LONG},htp://example.com/a.jpg\r\n2,,\r\n3,Mug,https://example.com/b.jpg\r\n".encode()
DONE = WRONG.replace(b"images", b"images,Output Image Urls,Status").replace(
    b"b.jpg", b"b.jpg,,completed"
)  # no fetching


@pytest.fixture(scope="module")
def made(chromium: Browser, house: House) -> tuple[str, ...]:
    """A job with a long name, a photo that is to be reviewed and one that failed; its page and those of its photos.
    A product CSV with mistakes; its page, that of its options, and that of its rows after Start."""
    with chromium.new_context(base_url=house.url) as context:
        page = context.new_page()
        sign_in(page)
        start(page, {LONG: jpeg(data.coffee()), "cut.jpg": picture(900, 700, quality=95)[:4000]})
        expect(page.locator('.photo[data-state="failed"]')).to_have_count(1, timeout=60_000)
        expect(page.get_by_text(re.compile("All have ended"))).to_be_visible(timeout=60_000)
        flag = "UPDATE processing_upload SET needs_review = true, review_reason = 'The edge is unsure.'"
        house.change(f"{flag} WHERE status = 'completed'")
        page.reload()
        photos = [str(link.get_attribute("href")) for link in page.locator(".photo .name").all()]
        job = page.url.removeprefix(house.url)
        draft = send(page, WRONG).removeprefix(house.url)
        started = send(page, DONE).removeprefix(house.url)
        page.locator("#start").click()
        expect(page.get_by_text("1 of 3 rows completed")).to_be_visible()
        return job, *photos, draft, f"{draft}recipe", started, f"{started}?state=failed&q=1"


def send(page: Page, csv: bytes) -> str:
    page.goto("/products/")
    page.locator("#csv").set_input_files({"name": f"{LONG}.csv", "mimeType": "text/csv", "buffer": csv})
    page.wait_for_url(re.compile(r"/products/\d+/$"))
    return page.url


def problems(page: Page, *rules: str) -> list[str]:
    options = {"runOnly": list(rules)} if rules else {}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{page.url}: {one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    chromium: Browser, house: House, made: tuple[str, ...], width: int
) -> None:
    with chromium.new_context(
        base_url=house.url, viewport={"width": width, "height": 800}, bypass_csp=True, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.goto("/account/login/")
        found = seen(page)
        sign_in(page)
        for path in (*PAGES, *made):
            page.goto(path)
            page.wait_for_timeout(200)
            found += seen(page)
    assert found == []


def seen(page: Page) -> list[str]:
    """What is wrong with it in both themes, which differ in their colours alone."""
    page.emulate_media(color_scheme="light")
    found = problems(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found += [f"{page.url} is {wide} px too wide"] if wide > 0 else []
    page.emulate_media(color_scheme="dark")
    return found + problems(page, "color-contrast")
