"""Photos go straight from the page into the bucket; whatever is in the way of that, they go through the server."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import allow
from tests.browser.test_journey import DONE, download, drop
from tests.bucket import Bucket
from tests.conftest import picture
from tests.house import House

JOB = re.compile(r"/jobs/\d+/$")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, bucket_process: Bucket) -> Iterator[House]:
    made = House(
        tmp_path_factory.mktemp("direct"), PHOTO_WORKERS="1", PHOTO_MAX_FILE_MB="1", STORAGE_URL=bucket_process.url
    )
    yield made
    made.stop()


@pytest.fixture
def elsewhere(bucket_process: Bucket) -> tuple[str, ...]:
    return (bucket_process.endpoint,)


class Sent:
    """What the page sent: files to the bucket, keys to the server, and requests to it that name none."""

    def __init__(self, page: Page, bucket: Bucket) -> None:
        self.to_bucket, self.keys, self.without = 0, 0, 0
        self.at = f"{bucket.endpoint}/{bucket.name}"
        page.on("request", self.count)

    def count(self, request: Request) -> None:
        if request.method != "POST":
            return
        if request.url.startswith(self.at):
            self.to_bucket += 1
        elif re.search(r"/jobs/(new|\d+/uploads)$", request.url):
            keys = (request.post_data_buffer or b"").count(b'name="s3_keys"')
            self.keys, self.without = self.keys + keys, self.without + (not keys)


def start(page: Page, files: dict[str, bytes]) -> None:
    page.goto("/")
    page.get_by_label("Remove the background").uncheck()
    drop(page, files)
    page.get_by_role("button", name=re.compile("^Start")).dblclick()


def some(count: int) -> dict[str, bytes]:
    return {f"photo-{number:02}.jpg": picture(60 + number, 60) for number in range(count)}


def names(page: Page, house: House) -> list[str]:
    """Of the photos of the job that the page shows, in order."""
    pk = page.url.rstrip("/").split("/")[-1]
    return [row[0] for row in house.rows(f"SELECT name FROM processing_upload WHERE job_id = {pk} ORDER BY position")]


def test_a_drop_goes_straight_into_the_bucket_in_its_order(page: Page, house: House, bucket_process: Bucket) -> None:
    sent = Sent(page, bucket_process)
    start(page, some(27))
    page.wait_for_url(JOB)
    assert (sent.to_bucket, sent.keys, sent.without) == (27, 27, 0)
    expect(page.locator(DONE)).to_have_count(27, timeout=60_000)
    assert names(page, house) == list(some(27))


@pytest.mark.parametrize("way", ["cut off", "not allowed", "refused"])
def test_what_the_bucket_does_not_take_goes_through_the_server_and_nobody_is_troubled(
    way: str, page: Page, house: House, bucket_process: Bucket
) -> None:
    allow(page, "Failed to load resource", "Access-Control-Allow-Origin", "CORS")
    sent = Sent(page, bucket_process)

    def stop(route: Route) -> None:
        if way == "cut off":
            route.abort()
        else:  # where the answer is for another origin, the browser tells the page nothing of it
            status, origin = (403, "*") if way == "refused" else (204, "https://shop.example.com")
            route.fulfill(status=status, headers={"Access-Control-Allow-Origin": origin})

    page.route(f"{sent.at}**", stop)
    said: list[str] = []
    page.expose_function("said", lambda what: said.append(what))  # noqa: PLW0108  Playwright marks it
    page.add_init_script("""addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
      if (document.querySelector("#upload-halt")?.hidden === false) said("halt")
      if (document.querySelector("#alerts")?.textContent.trim()) said("alert")
    }).observe(document.body, { subtree: true, childList: true, attributes: true }))""")
    start(page, some(30))
    page.wait_for_url(JOB)
    assert sent.to_bucket <= 4
    assert (sent.keys, sent.without, said) == (0, 2, [])
    assert names(page, house) == list(some(30))


def test_what_is_no_photo_of_a_fitting_size_goes_through_the_server_which_says_why(
    page: Page, bucket_process: Bucket
) -> None:
    sent = Sent(page, bucket_process)
    start(page, {"large.jpg": picture() + bytes(1_000_001), "empty.jpg": b"", "photo.jpg": picture()})
    expect(page.locator("#receipt")).to_have_text(re.compile("1 accepted, 2 refused"))
    expect(page.locator("#files-list")).to_contain_text("exceeds maximum")
    assert (sent.to_bucket, sent.keys, sent.without) == (0, 0, 1)


def test_pictures_come_from_the_bucket_and_what_is_saved_has_its_name(page: Page, bucket_process: Bucket) -> None:
    from_bucket: list[str] = []
    at = f"{bucket_process.endpoint}/{bucket_process.name}/"
    page.on("response", lambda answer: from_bucket.append(answer.url) if answer.url.startswith(at) else None)
    start(page, {"Blue shoe.jpg": picture(), "Чашка.jpg": picture(70, 60)})
    page.wait_for_url(JOB)
    expect(page.locator(DONE)).to_have_count(2, timeout=60_000)
    page.reload()
    shown = "() => [...document.querySelectorAll('.photo img')].filter((one) => one.naturalWidth).length == 2"
    page.wait_for_function(shown)
    assert sum("/variants/" in url for url in from_bucket) >= 2
    assert sorted(download(page).namelist()) == ["Blue shoe.jpg", "manifest.csv", "Чашка.jpg"]
    page.get_by_role("link", name="Blue shoe.jpg").click()
    with page.expect_download() as saved:
        page.locator("a[id^=result-]").click()
    assert (saved.value.suggested_filename, saved.value.url.startswith(at)) == ("Blue shoe.jpg", True)
