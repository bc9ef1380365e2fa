"""What a person does, from signing in to opening the cut-outs."""

import base64
import io
import re
import time
import zipfile
from pathlib import Path

import numpy
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, WebSocketRoute, expect
from skimage import data

from tests import environment
from tests.browser.conftest import allow, sign_in
from tests.conftest import picture
from tests.house import House, wait_for

DONE = '.photo:is([data-state="completed"], [data-state="review"])'  # a result is there; somebody may have to look
DROP = """([files]) => {
  const transfer = new DataTransfer()
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))
    transfer.items.add(new File([bytes], name, { type }))
  }
  const how = { dataTransfer: transfer, bubbles: true, cancelable: true }
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector("#drop-zone").dispatchEvent(new DragEvent(kind, how))
}"""


def jpeg(pixels: "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    """Three photos with a subject, and a ZIP of two more."""
    astronaut, cat, coffee = jpeg(data.astronaut()), jpeg(data.chelsea()), jpeg(data.coffee())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("set/astronaut.jpg", astronaut)
        archive.writestr("set/second-cat.jpg", cat)
        archive.writestr("notes.txt", "no photo")
    return {"astronaut.jpg": astronaut, "cat.jpg": cat, "coffee.jpg": coffee, "more.zip": out.getvalue()}


def drop(page: Page, files: dict[str, bytes]) -> None:
    sent = [
        {"name": name, "type": "application/zip" if name.endswith("zip") else "image/jpeg",
         "data": base64.b64encode(content).decode()}
        for name, content in files.items()
    ]  # fmt: skip
    page.evaluate(DROP, [sent])


def start(page: Page, files: dict[str, bytes], **options: str) -> None:
    """Drop files on the first page, choose among "More options", press Start, and come to the job's page."""
    page.goto("/")
    drop(page, files)
    if options:
        page.get_by_text("More options").click()
    for name, value in options.items():
        page.locator(f"#id_{name}").select_option(value)
    page.get_by_role("button", name=re.compile("^Start")).click()
    go = page.get_by_role("link", name="Go to the job")
    expect(go.or_(page.locator("#photos")).first).to_be_visible(timeout=30_000)  # 230 files take a while
    if go.is_visible():
        go.click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))


def download(page: Page) -> zipfile.ZipFile:
    with page.expect_download() as waiting:
        page.get_by_role("link", name=re.compile("^Download")).first.click()
    return zipfile.ZipFile(Path(waiting.value.path()))


def check_cut_outs(archive: zipfile.ZipFile) -> None:
    assert archive.testzip() is None
    names = set(archive.namelist())
    assert names == {"astronaut.png", "astronaut (2).png", "cat.png", "coffee.png", "second-cat.png", "manifest.csv"}
    for name in names - {"manifest.csv"}:
        image = Image.open(io.BytesIO(archive.read(name)))
        alpha = numpy.asarray(image.getchannel("A"), dtype=float) / 255
        assert image.mode == "RGBA"
        assert 0.05 < alpha.mean() < 0.95, f"{name}: neither all nor nothing is the subject"
        assert alpha.max() > 0.95
        assert alpha.min() < 0.05
    astronaut = numpy.asarray(Image.open(io.BytesIO(archive.read("astronaut.png"))).getchannel("A"), dtype=float)
    assert astronaut[150:300, 180:280].mean() > 200, "the astronaut's face is there"
    assert astronaut[:60, :60].mean() < 60, "the corner behind is not"


def test_photos_and_a_zip_are_dropped_watched_reloaded_midway_and_downloaded(
    page: Page, photos: dict[str, bytes]
) -> None:
    messages: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: messages.append(str(frame))))
    start(page, photos)
    expect(page.locator(".photo")).to_have_count(5)
    expect(page.get_by_text("No photos yet")).to_be_hidden()
    expect(page.locator(".live").first).to_have_text("Live")
    expect(page.locator(DONE).first).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.locator(".photo")).to_have_count(5)
    expect(page.locator(DONE)).to_have_count(5, timeout=60_000)
    assert any("upload-card-" in message for message in messages), "the cards came over the socket"
    expect(page).to_have_title(re.compile("5 of 5"))
    expect(page.get_by_text("1 file was refused")).to_be_visible()
    check_cut_outs(download(page))


def test_the_same_with_the_websocket_blocked(page: Page, photos: dict[str, bytes]) -> None:
    page.route_web_socket(re.compile("/live/"), block)
    start(page, photos)
    expect(page.locator(".live").first).to_have_text(re.compile(r"Checking every \d+ s"))
    expect(page.locator(DONE).first).to_be_visible(timeout=60_000)
    page.reload()
    expect(page.locator(DONE)).to_have_count(5, timeout=60_000)
    check_cut_outs(download(page))


def block(socket: WebSocketRoute) -> None:
    socket.close(code=1011)


@pytest.mark.parametrize("well", [True, False], ids=["", "and its answer is none"])
def test_a_page_asks_less_often_where_the_server_is_slow_to_answer(
    page: Page, photos: dict[str, bytes], well: bool
) -> None:
    asked: list[str] = []

    def slowly(route: Route) -> None:
        asked.append(route.request.url)
        time.sleep(2.5)
        route.continue_() if well else route.fulfill(status=503, body="A little later.")

    allow(page, "Failed to load resource", "Response Status Error Code 503")
    page.route_web_socket(re.compile("/live/"), block)
    page.route("**/changes?*", slowly)
    start(page, photos)
    said = r"Checking every [1-3]\d s" if well else "Offline, as of"
    expect(page.locator(".live").first).to_have_text(re.compile(said), timeout=20_000)
    page.wait_for_timeout(4500)  # in which it would ask twice more
    assert len(asked) == 1


def test_the_same_without_javascript(page: Page, house: House, photos: dict[str, bytes]) -> None:
    assert page.context.browser
    plain = page.context.browser.new_context(java_script_enabled=False, base_url=house.url)
    other = plain.new_page()
    sign_in(other)
    files = [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in photos.items()]
    other.locator("#files").set_input_files(files)  # type: ignore[arg-type]
    other.get_by_role("button", name="Start").click()
    other.wait_for_url(re.compile(r"/jobs/\d+/$"))
    wait_for(lambda: other.reload() and other.locator(DONE).count() == 5, 60, 1)
    check_cut_outs(download(other))
    other.get_by_role("button", name="Delete").click()
    expect(other.get_by_text("deleted.")).to_be_visible()
    plain.close()


def test_one_bad_file_among_ten_is_refused_alone_and_says_why(page: Page) -> None:
    allow(page, "Failed to load resource")
    good = {f"good-{number}.jpg": picture(100 + number, 80) for number in range(5)}
    bad = {
        "text.jpg": b"only text", "empty.jpg": b"", "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "huge.jpg": huge_png(), "cut.jpg": picture(900, 700, quality=95)[:4000],
    }  # fmt: skip
    page.goto("/")
    drop(page, good | bad)
    page.get_by_role("button", name=re.compile("^Start")).click()
    expect(page.locator("#receipt")).to_have_text(re.compile("6 accepted, 4 refused"))
    rows = page.locator("#files-list")
    huge = rows.locator(".file", has_text="huge.jpg")
    expect(huge).to_be_visible()
    expect(huge.locator("img")).to_have_count(0)  # to draw it, the browser would stand still for seconds
    for sentence in (
        "Unsupported image format: text",
        "it is empty",
        "Unsupported image format: SVG",
        "max 50 megapixels",
    ):
        expect(rows).to_contain_text(re.compile(sentence, re.IGNORECASE))
    page.get_by_role("link", name="Go to the job").click()
    expect(page.locator('.photo[data-state="failed"]')).to_have_count(1, timeout=60_000)
    expect(page.locator('.photo[data-state="failed"] .why')).to_contain_text("it is cut short")
    expect(page.get_by_text("4 files were refused")).to_be_visible()


def huge_png() -> bytes:
    """20,000 × 20,000 by its header."""
    data = bytearray(picture(60, 60, "PNG"))
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_a_click_shows_at_once_and_a_notice_says_it(page: Page, house: House) -> None:
    start(page, {"no-face.jpg": picture(300, 200)})
    pk = int(page.url.rstrip("/").split("/")[-1])
    expect(page.locator(".photo").first).to_have_attribute("data-state", re.compile("completed|failed"), timeout=60_000)
    page.get_by_label("Rename this job").click()
    page.get_by_label("Name of this job").fill("Autumn")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Autumn")).to_be_visible()
    page.goto("/jobs/")
    page.locator(f"#job-row-{pk}").get_by_role("button", name="Delete Autumn").click()
    expect(page.locator("#toasts")).to_contain_text("Autumn deleted.")
    expect(page.locator(f"#job-row-{pk}")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(f"#job-row-{pk}")).to_be_visible()


def test_before_and_after_of_a_photo(page: Page, photos: dict[str, bytes]) -> None:
    start(page, {"astronaut.jpg": photos["astronaut.jpg"]})
    expect(page.locator(DONE)).to_have_count(1, timeout=60_000)
    page.get_by_role("link", name=re.compile("astronaut.jpg|astro")).first.click()
    expect(page.get_by_role("heading", name="astronaut.jpg")).to_be_visible()
    for picture_ in page.locator(".compare img").all():
        assert picture_.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).to_have_value("51")


def test_a_session_that_ends_says_so(page: Page, house: House) -> None:
    allow(page, "Failed to load resource", "WebSocket")
    start(page, {"photo.jpg": picture(300, 200)})
    expect(page.locator(".live").first).to_have_text("Live")
    page.context.clear_cookies()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('poll'))")
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_the_stored_result_of_rembg_comes_out(page: Page) -> None:
    folder = environment.SHARED / "samples" / "rembg"
    if not folder.is_dir():
        pytest.skip("rembg's sample photos are not on this machine")
    start(page, {"anime-girl-1.jpg": (folder / "anime-girl-1.jpg").read_bytes()}, refine="none")
    expect(page.locator(DONE)).to_have_count(1, timeout=60_000)
    made = numpy.asarray(Image.open(io.BytesIO(download(page).read("anime-girl-1.png"))).getchannel("A"), dtype=float)
    wanted = numpy.asarray(Image.open(folder / "anime-girl-1.u2netp.png").getchannel("A"), dtype=float)
    assert numpy.abs(made - wanted).mean() <= 1


def test_a_retry_shows_before_the_server_answers_and_is_put_right_by_the_answer(page: Page) -> None:
    allow(page, "Failed to load resource")
    page.goto("/")
    page.get_by_label("Crop to the face").check()
    drop(page, {"no-face.jpg": picture(300, 200)})
    page.get_by_role("button", name=re.compile("^Start")).click()
    card = page.locator(".photo").first
    expect(card).to_have_attribute("data-state", "failed", timeout=60_000)
    expect(card.locator(".why")).to_contain_text("No face was found.")
    held: list[Route] = []
    page.route("**/photos/retry", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    card.get_by_role("button", name=re.compile("Retry")).click()
    expect(card).to_have_attribute("data-state", "queued")
    page.wait_for_timeout(300)
    refusal = '{"code": "nothing_to_do", "detail": "Somebody else moved it."}'
    held[0].fulfill(status=409, content_type="application/json", body=refusal)
    expect(card).to_have_attribute("data-state", "failed")
    expect(page.locator("#alerts")).to_contain_text("Somebody else moved it.")
    page.unroute("**/photos/retry")
    card.get_by_role("button", name=re.compile("Retry")).click()
    expect(page.locator("#toasts")).to_contain_text("1 photo queued again.")
    expect(card.locator(".why")).to_contain_text("No face was found.", timeout=60_000)


def look_through(page: Page, count: int) -> None:
    """A grid of so many photos has cards near the screen alone, and yet reaches, selects and keeps all of them."""
    cards, chosen = page.locator(".photo"), page.locator("#selection-bar [data-count]")
    cards.first.locator(".name").focus()
    page.keyboard.press("x")
    height = page.evaluate("document.documentElement.scrollHeight")
    page.keyboard.press("End")
    last = page.locator(f'.photo[aria-posinset="{count}"]')
    expect(last.locator(".pick")).to_be_attached()
    assert cards.count() < count
    assert page.evaluate("document.documentElement.scrollHeight") == height, "the first draw was of whole rows"
    last.locator(".pick").click(modifiers=["Shift"])
    expect(chosen).to_have_text(str(count))
    page.keyboard.press("Home")
    expect(cards.first).to_have_attribute("aria-posinset", "1")
    expect(page.locator(".pick:not(:checked)")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(chosen).to_have_text("0")
    page.evaluate("scrollTo({ top: document.documentElement.scrollHeight / 2, behavior: 'instant' })")
    middle = page.locator(f'.photo[aria-posinset="{count // 2}"]')
    middle.evaluate("card => scrollBy({ top: card.getBoundingClientRect().top - 110, behavior: 'instant' })")
    expect(middle.locator(".pick")).to_be_attached()
    for size in "s", "l", "m":
        page.locator(f'[name="size"][value="{size}"]').evaluate("input => input.click()")
        expect(middle).to_be_in_viewport()


def test_a_large_drop_goes_up_as_several_requests_into_one_job(page: Page, house: House) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
    start(page, {f"photo-{number:03}.jpg": picture(60 + number % 9, 60) for number in range(230)})
    pk = page.url.rstrip("/").split("/")[-1]
    sends = [url for url in requests if url.endswith(("/jobs/new", f"/jobs/{pk}/uploads"))]
    assert len(sends) == 10
    expect(page.get_by_text("of 230 completed").first).to_be_visible()
    look_through(page, 230)
    page.goto(f"{page.url}?state=queued")
    page.get_by_role("button", name=re.compile("^Cancel the")).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Cancel")).click()
    wait_for(lambda: not house.rows(
        f"SELECT 1 FROM processing_upload WHERE job_id = {pk} AND status IN ('queued', 'processing')"), 30)  # fmt: skip
    page.mouse.move(0, 0)
    expect(page.locator(".photo")).to_have_count(0)
    expect(page.get_by_text("No photo of this job is queued")).to_be_visible()


def test_who_sends_while_storage_is_away_is_told_so_once_and_goes_on(page: Page) -> None:
    allow(page, "Failed to load resource")
    away = {"code": "storage_unavailable", "detail": "Storage does not answer. It is tried again by itself."}
    page.route("**/jobs/new", lambda route: route.fulfill(status=503, json=away), times=1)
    page.goto("/")
    drop(page, {"photo.jpg": picture(300, 200)})
    page.get_by_role("button", name=re.compile("^Start")).click()
    said = re.compile(r"^\s*Stopped at \d+%\.\s+Storage does not answer\. It is tried again by itself\.\s*$")
    expect(page.locator("#upload-halt > div").first).to_have_text(said)
    expect(page.locator(".file [data-note]")).to_have_text(away["detail"])
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))


def test_who_is_signed_out_while_sending_signs_in_elsewhere_and_goes_on(page: Page) -> None:
    allow(page, "Failed to load resource")
    page.goto("/")
    drop(page, {"photo.jpg": picture(300, 200)})
    page.context.clear_cookies()
    page.get_by_role("button", name=re.compile("^Start")).click()
    halt = page.locator("#upload-halt")
    expect(halt).to_be_visible()
    other = page.context.new_page()
    sign_in(other)
    halt.get_by_role("button", name="Go on now").click()
    page.wait_for_url(re.compile(r"/jobs/\d+/$"))
    expect(page.locator(".photo")).to_have_count(1)
