"""The element in pages of others: a React app on another origin, and a file opened from the disk."""

import io
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, WebSocketRoute, expect
from skimage import data

from tests import environment
from tests.browser.conftest import Watched, allow
from tests.browser.test_journey import jpeg
from tests.conftest import picture
from tests.house import PASSWORD, House, free_port, wait_for

REACT = environment.ROOT / "examples" / "react"
POLICY = (
    "default-src 'none'; base-uri 'none'; script-src {house}; connect-src {house} {socket}; img-src blob:; "
    "require-trusted-types-for 'script'"
)
ELEMENT = """<!doctype html><html lang="en"><title>A shop</title><main><h1>A shop</h1>
<photo-processor api="{house}" token="{token}" {attributes}></photo-processor></main>
<script type="module" src="{house}/static/js/photo-processor.js"></script></html>"""
CUT_SHORT = picture(900, 700, quality=95)[:4000]


@pytest.fixture(scope="module")
def built() -> Path:
    """The React app as `npm ci && npm run build` make it."""
    npm = shutil.which("npm")
    if not npm:  # under PHOTO_TEST_BROWSER=required a test that was left out fails the run
        pytest.skip("There is no npm: script/test installs it.")
    installed = REACT / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (REACT / "package-lock.json").stat().st_mtime:
        subprocess.run([npm, "ci"], cwd=REACT, check=True, stdin=subprocess.DEVNULL, timeout=120)
    subprocess.run([npm, "run", "build"], cwd=REACT, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return REACT


@pytest.fixture(scope="module")
def shop_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """Where the shop's plain pages are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, shop_url: str, plain: str) -> Iterator[House]:
    """One that lets in the shop's pages and files from the disk; its limits are small."""
    small = {"PHOTO_MAX_FILES": "4", "PHOTO_MAX_FILE_MB": "1", "PHOTO_WORKERS": "1"}
    made = House(tmp_path_factory.mktemp("embedded"), PHOTO_ORIGINS=f"{shop_url} {plain} null", **small)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def token(house: House) -> str:
    """The shop's own."""
    return make_token(house, username="admin", password=PASSWORD, name="Shop")["token"]


@pytest.fixture(scope="module")
def shop(built: Path, house: House, shop_url: str, token: str) -> Iterator[str]:
    """The built app on another origin, with the part that the shop's own server plays."""
    command = ["node", "node_modules/vite/bin/vite.js", "preview", "--strictPort", "--host", "127.0.0.1", "--port"]
    env = {**os.environ, "PHOTO_API": house.url, "PHOTO_TOKEN": token}
    server = psutil.Popen([*command, shop_url.rpartition(":")[2]], cwd=built, env=env)
    wait_for(lambda: answers(shop_url), 30)
    yield shop_url
    server.terminate()
    server.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def context(chromium: Browser, house: House, shop_url: str, plain: str) -> Iterator[BrowserContext]:
    made = chromium.new_context(accept_downloads=True, reduced_motion="reduce")
    made.set_default_timeout(20_000)
    watched = Abroad(made, house)
    watched.abroad = (shop_url, plain, plain.replace("127.0.0.1", "localhost"), "file:///")
    made.watched = watched  # type: ignore[attr-defined]
    yield made
    made.close()
    assert watched.wrong == []


class Abroad(Watched):
    """Pages of these places too."""

    abroad: tuple[str, ...] = ()

    def check_address(self, url: str, home: str, *elsewhere: str) -> None:
        super().check_address(url, home, *self.abroad, *elsewhere)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def make_token(house: House, **asked: Any) -> dict[str, Any]:
    secret = asked.pop("with_", "")
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    answer = httpx.post(f"{house.url}/api/v1/tokens", json=asked, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def opened(page: Page, url: str, house: House, token: str, attributes: str = 'remove-bg="false"') -> None:
    """A page of the shop's with the element alone, and a policy that is as strict as can be."""
    page.add_init_script("""window.heard = []
      for (const name of ["start", "progress", "done", "error", "token"])
        addEventListener(`photo-processor:${name}`, ({ detail }) => heard.push([name, detail]))""")
    Pages.body = ELEMENT.format(house=house.url, token=token, attributes=attributes)
    Pages.policy = POLICY.format(house=house.url, socket=house.url.replace("http", "ws"))
    page.goto(url)


class Pages(BaseHTTPRequestHandler):
    """Answers with the one page that is set. (A page that Playwright makes up may not ask this machine.)"""

    body = policy = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", self.policy)
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def heard(page: Page, name: str) -> list[dict[str, Any]]:
    return [detail for kind, detail in page.evaluate("heard") if kind == name]


def choose(page: Page, files: dict[str, bytes]) -> None:
    expect(page.get_by_text("Up to 1MB each")).to_be_visible()
    sent = [
        {"name": name, "mimeType": "text/plain" if name.endswith(".txt") else "image/jpeg", "buffer": content}
        for name, content in files.items()
    ]
    page.locator("photo-processor input[type=file]").set_input_files(sent)  # type: ignore[arg-type]


def start(page: Page, count: str) -> None:
    page.get_by_role("button", name=f"Start {count}").click()


def over(page: Page) -> Locator:
    return page.get_by_role("button", name="Start over")


def downloaded(page: Page, name: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    return Path(waiting.value.path()).read_bytes()


def check_pictures(page: Page) -> None:
    """The photo before and after, which both can be seen."""
    before, after = page.get_by_alt_text("cup.jpg, before"), page.get_by_alt_text("cup.jpg, after")
    for image in (before, after):
        expect(image).to_be_visible()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 50


def check_cut_out(content: bytes) -> None:
    image = Image.open(io.BytesIO(content))
    low, high = image.convert("RGBA").getchannel("A").getextrema()
    assert (low, high) == (0, 255)


@pytest.fixture(scope="module")
def cup() -> bytes:
    return jpeg(data.coffee())


# ---- the examples ----------------------------------------------------------------------------------------------------
def test_the_react_app_sends_watches_shows_and_downloads(
    page: Page, shop: str, house: House, token: str, cup: bytes
) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(shop)
    choose(page, {"cup.jpg": cup, "cut.jpg": CUT_SHORT})
    page.get_by_label("Format").select_option("png")
    start(page, "2 photos")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(over(page)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("1 of 2 photos completed, 1 failed.").first).to_be_visible()
    expect(page.get_by_text("The file cannot be read: it is cut short.")).to_be_visible()
    expect(page.get_by_text("Export the photo again, then send it again.")).to_be_visible()
    check_pictures(page)
    assert Image.open(io.BytesIO(downloaded(page, "Download cup.jpg"))).format == "PNG"
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "Download all (ZIP)")))
    assert set(archive.namelist()) == {"cup.png", "manifest.csv"}
    job = int(re.findall(r"\d+", page.get_by_text("Job ").inner_text())[0])
    assert sockets == [f"{house.url.replace('http', 'ws')}/ws/job/{job}"]
    over(page).click()
    expect(page.get_by_text("Drop or choose photos, or a ZIP")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(0)


def test_the_page_opens_from_the_disk_and_works_by_keyboard(page: Page, house: House, token: str, cup: bytes) -> None:
    page.on("filechooser", lambda chooser: None)  # from here on: Playwright does not wait until choosers are caught
    page.goto((environment.ROOT / "examples" / "index.html").as_uri())
    page.get_by_label("Server").fill(house.url)
    page.get_by_label("Token").fill(make_token(house, with_=token, name="Visitor")["token"])
    page.keyboard.press("Enter")
    expect(page.get_by_text("Up to 1MB each")).to_be_visible()
    field = page.locator("photo-processor input[type=file]")
    expect(field).to_be_enabled()
    page.get_by_label("Token").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(field).to_be_focused()
    with page.expect_file_chooser() as waiting:
        page.keyboard.press("Space")
    waiting.value.set_files({"name": "cup.jpg", "mimeType": "image/jpeg", "buffer": cup})
    page.get_by_role("button", name="Start 1 photo").press("Enter")
    expect(page.get_by_text("1 of 1 photo completed.").first).to_be_visible(timeout=60_000)
    check_pictures(page)
    check_cut_out(downloaded(page, "Download cup.jpg"))
    assert zipfile.ZipFile(io.BytesIO(downloaded(page, "Download all (ZIP)"))).testzip() is None
    # Chromium may forget the session of a page from the disk when it is loaded anew; so what is kept is asked here.
    assert page.evaluate("[sessionStorage.api, localStorage.length]") == [house.url, 0]


# ---- who may ---------------------------------------------------------------------------------------------------------
def test_a_page_that_is_not_named_is_refused(page: Page, plain: str, house: House, token: str) -> None:
    allow(page, "blocked by CORS policy", "Failed to load resource")
    stranger = plain.replace("127.0.0.1", "localhost")
    opened(page, stranger, house, token)
    expect(page.get_by_role("alert")).to_contain_text(f"its PHOTO_ORIGINS does not name {stranger}.")
    expect(page.locator("photo-processor input[type=file]")).to_be_disabled()
    assert [detail["code"] for detail in heard(page, "error")] == ["unreachable"]


def test_the_token_of_a_page_sees_what_was_made_with_it_alone(page: Page, plain: str, house: House, token: str) -> None:
    def api(method: str, path: str, secret: str, **more: Any) -> httpx.Response:
        return httpx.request(
            method, f"{house.url}/api/v1/{path}", headers={"Authorization": f"Bearer {secret}"}, **more
        )

    files = [("files", ("mug.jpg", picture(300, 200)))]
    other = api("POST", "jobs", token, files=files, data={"remove_bg": "false"}).json()["job_id"]
    narrow = make_token(house, with_=token, name="Visitor")["token"]
    opened(page, plain, house, narrow)
    choose(page, {"lamp.jpg": picture(320, 200)})
    start(page, "1 photo")
    expect(over(page)).to_be_visible(timeout=60_000)
    own = heard(page, "done")[0]["job_id"]
    assert [job["job_id"] for job in api("GET", "jobs", narrow).json()["results"]] == [own]
    assert api("GET", f"jobs/{other}", narrow).status_code == 404
    assert api("GET", f"jobs/{own}", token).status_code == 200
    assert api("POST", "tokens", narrow, json={"name": "More"}).status_code == 403


def test_a_token_that_never_worked_is_told_as_such(page: Page, plain: str, house: House) -> None:
    allow(page, "Failed to load resource")
    opened(page, plain, house, "pho_nonsense")
    expect(page.get_by_role("alert")).to_contain_text("The token of this page has ended, or is wrong.")


def test_an_expired_token_says_so_and_with_a_new_one_it_goes_on(
    page: Page, plain: str, house: House, token: str
) -> None:
    allow(page, "Failed to load resource")
    old = make_token(house, with_=token, name="Visitor")
    opened(page, plain, house, old["token"])
    choose(page, {"mug.jpg": picture(310, 200)})
    house.change(f"UPDATE processing_token SET expires_at = '2020-01-01' WHERE id = {old['id']}")
    start(page, "1 photo")
    expect(page.get_by_role("alert")).to_contain_text("The token of this page has ended: reload the page.")
    assert [detail["code"] for detail in heard(page, "token")] == ["not_authenticated"]
    fresh = make_token(house, with_=token, name="Visitor")["token"]
    page.locator("photo-processor").evaluate("(element, token) => element.setAttribute('token', token)", fresh)
    expect(over(page)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("alert")).to_be_hidden()
    assert heard(page, "done")[0]["summary"]["successful"] == 1


# ---- when it does not go smoothly ------------------------------------------------------------------------------------
def test_without_a_socket_it_asks_every_two_seconds(page: Page, plain: str, house: House, token: str) -> None:
    allow(page, "WebSocket")
    page.route_web_socket(re.compile("/ws/job/"), refuse)
    opened(page, plain, house, token)
    choose(page, {"mug.jpg": picture(330, 200)})
    start(page, "1 photo")
    expect(over(page)).to_be_visible(timeout=60_000)
    assert [detail["step"] for detail in heard(page, "progress")][-1] == "working"
    assert heard(page, "done")[0]["summary"] == {"total": 1, "successful": 1, "failed": 0, "percentage": 100}


def refuse(socket: WebSocketRoute) -> None:
    socket.close(code=1011)


def test_what_is_not_answered_times_out_and_who_keeps_waiting_sends_nothing_twice(
    page: Page, plain: str, house: House, token: str
) -> None:
    allow(page, "Failed to load resource")
    keys: list[str] = []

    def swallow_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
        else:
            route.fetch()

    opened(page, plain, house, token, 'remove-bg="false" timeout="2"')
    page.route("**/api/v1/jobs", swallow_the_first_answer)
    choose(page, {"mug.jpg": picture(340, 200)})
    start(page, "1 photo")
    expect(page.get_by_role("alert")).to_have_text("No news for 2 s. The photos are still here.")
    before = jobs(house)
    page.locator("photo-processor").evaluate("element => element.setAttribute('timeout', '120')")
    page.get_by_role("button", name="Keep waiting").click()
    expect(over(page)).to_be_visible(timeout=60_000)
    assert jobs(house) == before
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert [detail["code"] for detail in heard(page, "error")] == ["client_timeout"]


def jobs(house: House) -> int:
    return int(house.rows("SELECT count(*) FROM processing_job")[0][0])


def test_more_photos_than_a_request_takes_go_into_one_job_and_bad_ones_are_told_before(
    page: Page, plain: str, house: House, token: str
) -> None:
    allow(page, "Failed to load resource")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    opened(page, plain, house, token, 'remove-bg="false" format="webp" multiple')
    good = {f"photo-{number}.jpg": picture(200 + number, 160) for number in range(6)}
    bad = {"large.jpg": b"\xff" * 1_200_000, "empty.jpg": b"", "rows.csv": b"a,b", "notes.txt": b"no"}
    choose(page, {**good, **bad, "text.jpg": b"no"})
    expect(page.get_by_text("File size (1.2MB) exceeds maximum (1MB).")).to_be_visible()
    expect(page.get_by_text("The file is empty, or a folder.")).to_be_visible()
    expect(page.get_by_text("This is no photo.")).to_have_count(2)
    start(page, "7 photos")
    expect(over(page)).to_be_visible(timeout=60_000)
    done = heard(page, "done")[0]
    own = f"{house.url}/api/v1/jobs"
    assert posts == [own, f"{own}/{done['job_id']}/uploads", f"{own}/{done['job_id']}/close"]
    assert (done["received"], done["accepted"], len(done["refused"])) == (11, 6, 5)
    assert done["summary"]["successful"] == 6
    assert {upload["result"]["format"] for upload in done["uploads"]} == {"webp"}
    expect(page.get_by_text("6 of 6 photos completed, 5 refused.").first).to_be_visible()


def test_a_job_can_be_cancelled(page: Page, plain: str, house: House, token: str, cup: bytes) -> None:
    allow(page, "Failed to load resource")
    opened(page, plain, house, token, "multiple")
    choose(page, {f"cup-{number}.jpg": cup for number in range(4)})
    start(page, "4 photos")
    expect(page.get_by_text(re.compile("of 4 photos done")).first).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(over(page)).to_be_visible(timeout=60_000)
    job = heard(page, "done")[0]["job_id"]
    left = f"SELECT 1 FROM processing_upload WHERE job_id = {job} AND status NOT IN ('completed', 'cancelled')"
    assert house.rows(left) == []


# ---- looks -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    context: BrowserContext, house: House, token: str, theme: str
) -> None:
    page = context.new_page()
    found: list[str] = []
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto((environment.ROOT / "examples" / "index.html").as_uri())

    def look(name: str) -> None:
        violations = Axe().run(page).response["violations"]
        found.extend(f"{name}: {one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in violations)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found.extend([f"{name} is {wide} px too wide"] if wide > 0 else [])

    page.get_by_label("Server").fill(house.url)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Connect").click()
    choose(page, {"a-name-that-is-a-good-deal-longer-than-the-screen.jpg": picture(300, 200), "cut.jpg": CUT_SHORT})
    page.get_by_label("Remove the background").uncheck()
    look("chosen")
    start(page, "2 photos")
    look("working")
    expect(over(page)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("img", name=re.compile("after$"))).to_be_visible()
    look("done")
    allow(page, "Failed to load resource")
    page.locator("photo-processor").evaluate("element => element.setAttribute('token', 'pho_nonsense')")
    over(page).click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("refused")
    assert found == []
