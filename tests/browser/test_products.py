"""A product CSV's way, from CSV to CSV, in a real browser against a real server of images."""

import csv
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from processing.management.commands import serve_samples
from tests.browser.conftest import allow
from tests.house import House

HEADER = "S. No.,Product Name,Input Image Urls\r\n"


@pytest.fixture(scope="module")
def images() -> Iterator[str]:
    """Where the sample photos are served."""
    server = serve_samples.serve(0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def house(images: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(
        tmp_path_factory.mktemp("products"), PHOTO_WORKERS="2", PHOTO_FETCH_ALLOW=images.removeprefix("http://"),
        PHOTO_RETRY_DELAY="1",
    )  # fmt: skip
    yield made
    made.stop()


def spreadsheet(images: str) -> bytes:
    lines = [
        f'1,"Mug, ""teal""",{images}/coffee.png',
        f'2,Кошка +1 😀,"{images}/chelsea.png,{images}/coffee.png"',
        f"3,Rocket,{images}/rocket.jpg",
        f"4,Typing mistake,htp:{images.removeprefix('http:')}/astronaut.png",
        f"5,Sold out,{images}/gone.png",
        "6,No address,",
        "7,=HYPERLINK(1),http://10.0.0.1/secret.png",
    ]
    return (HEADER + "".join(f"{line}\r\n" for line in lines)).encode()


def send(page: Page, name: str, content: bytes) -> None:
    page.goto("/products/")
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    page.wait_for_url(re.compile(r"/products/\d+/$"))


def download(page: Page, link: str) -> tuple[str, list[list[str]]]:
    """A CSV as text, and its records."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link).first.click()
    text = Path(waiting.value.path()).read_bytes().decode()
    return text, list(csv.reader(io.StringIO(text, newline="")))


def change_address(page: Page, name: str, to: str) -> None:
    """By keyboard, in the row of that name, which completes; the focus stays in it."""
    row = page.locator("[role=row]", has_text=name)
    row.get_by_text("Change address").click()
    cell = row.get_by_role("textbox", name="Address")
    cell.fill(to)
    page.keyboard.press("Enter")
    expect(row).to_have_attribute("data-state", "completed", timeout=30_000)
    expect(cell).to_have_count(0)
    assert page.evaluate(f"document.activeElement.closest('[role=row]')?.textContent.includes('{name}')")


def check_link(address: str) -> None:
    """Anybody gets the picture there."""
    answer = httpx.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"] in ("image/jpeg", "image/png")
    assert "set-cookie" not in answer.headers
    Image.open(io.BytesIO(answer.content)).verify()


def test_a_csv_comes_back_with_its_pictures(page: Page, house: House, images: str) -> None:
    sent = spreadsheet(images)
    send(page, "spring.csv", sent)

    # What is wrong is told by line; the likely fix is one press, and one row is left out.
    expect(page.get_by_text("Addresses begin with http:// or https://")).to_be_visible()
    expect(page.get_by_text("This row has no address")).to_be_visible()
    expect(page.get_by_text("This server may not fetch this address")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Use http:")).click()
    expect(page.get_by_text("Mended: serial number 4, http:")).to_be_visible()
    page.get_by_role("button", name="Leave out line 7").click()
    expect(page.get_by_text("Left out.")).to_be_visible()
    page.get_by_role("button", name="Read again").click()  # which asks first, as of now
    expect(page.get_by_text("2 rows that you mended or left out start anew.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Start 5 rows").click()

    # The rows are there, live, and end.
    failed = page.locator('[id^="row-"][data-state="failed"]')
    expect(page.locator('[id^="row-"][data-state="completed"]')).to_have_count(4, timeout=60_000)
    expect(failed).to_have_count(2, timeout=30_000)
    expect(page.get_by_text("404")).to_be_visible()
    page.reload()
    expect(failed).to_have_count(2)

    text, records = download(page, re.compile("CSV$"))
    header, *rows = records
    assert header == ["S. No.", "Product Name", "Input Image Urls", "Output Image Urls"]
    assert [row[:2] for row in rows] == [
        ["1", 'Mug, "teal"'], ["2", "Кошка +1 😀"], ["3", "Rocket"], ["4", "Typing mistake"], ["5", "Sold out"],
        ["6", "No address"], ["7", "'=HYPERLINK(1)"],
    ]  # fmt: skip
    assert f'1,"Mug, ""teal""",{images}/coffee.png,{house.url}/links/' in text
    outputs = [row[3].split(",") if row[3] else [] for row in rows]
    assert [len(one) for one in outputs] == [1, 2, 1, 1, 0, 0, 0]
    assert outputs[0][0] == outputs[1][1], "the same address is the same picture"

    # The links serve the pictures to anybody, until they are revoked.
    for address in {one for some in outputs for one in some}:
        check_link(address)

    # An address is changed after Start. Uploaded again, the details of before run only what was not completed then.
    details, _ = download(page, re.compile("details", re.IGNORECASE))
    change_address(page, "Sold out", f"{images}/rocket.jpg")
    send(page, "spring-again.csv", details.encode())
    expect(page.get_by_text(re.compile("4 (rows )?(were )?completed before", re.IGNORECASE)).first).to_be_visible()
    expect(page.get_by_role("button", name="Start 1 row")).to_be_visible()

    page.goto("/links/")
    page.get_by_role("button", name=re.compile("^Revoke")).first.click()
    dialog = page.get_by_role("dialog")
    if dialog.is_visible():
        dialog.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(page.get_by_text(re.compile("Revoked")).first).to_be_visible()
    assert httpx.get(outputs[0][0]).status_code == 404


def test_a_broken_csv_says_what_is_wrong(page: Page) -> None:
    allow(page, "422")
    page.goto("/products/")
    page.locator("input[type=file]").set_input_files(
        {"name": "odd.csv", "mimeType": "text/csv", "buffer": b"id,colour\r\n1,teal\r\n"}
    )
    expect(page.get_by_text("The CSV has no column")).to_be_visible()
    expect(page.get_by_text("colour")).to_be_visible()


def test_a_csv_goes_on_from_the_page_of_a_new_job_with_its_options(page: Page) -> None:
    page.get_by_role("link", name="On white").click()
    expect(page.get_by_role("radio", name="White")).to_be_checked()
    file = {"name": "spring.csv", "mimeType": "text/csv", "buffer": spreadsheet("https://example.com")}
    page.locator("#files").set_input_files(file)
    page.wait_for_url(re.compile(r"/products/\d+/$"))
    expect(page.get_by_label("Preset")).to_have_value("white")


@pytest.mark.parametrize("path", ["/", "/products/"])
def test_a_workbook_is_told_from_a_csv_before_it_is_sent(page: Page, path: str) -> None:
    page.goto(path)
    file = {"name": "Spring.XLSX", "mimeType": "application/octet-stream", "buffer": b"PK"}
    page.locator("input[type=file]:not([name=background_image])").set_input_files(file)
    expect(page.get_by_text("That is an Excel workbook.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"{path}$"))
