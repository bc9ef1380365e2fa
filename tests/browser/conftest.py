"""A real Chromium against a house of its own; a page that misbehaves fails its test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.house import PASSWORD, House
from tests.receiver import Receiver, listening

FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    browsed = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in browsed:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.weights)
        item.add_marker(pytest.mark.xdist_group(item.path.stem))
    # Last: Playwright keeps an event loop running, beside which no async test can have its own.
    items.sort(key=lambda item: item in browsed)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "There is no chromium: script/test installs it."
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Where the house may send webhooks to."""
    with listening() as made:
        yield made


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[House]:
    allow = f"localhost:{receiver.port}"
    made = House(tmp_path_factory.mktemp("browsed"), PHOTO_WORKERS="2", PHOTO_FETCH_ALLOW=allow)
    yield made
    made.stop()


# A page says in the console what its policy forbids, also where it is reported alone.
TOLD = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`the policy: ${event.disposition} ${event.effectiveDirective} ${event.blockedURI}`))"""


class Watched:
    """What a page did that it must not: loaded from elsewhere, broke its policy, threw."""

    def __init__(self, context: BrowserContext, house: House, *elsewhere: str) -> None:
        self.wrong: list[str] = []
        self.expected: tuple[str, ...] = ()
        context.on("request", lambda request: self.check_address(request.url, house.url, *elsewhere))
        context.on("console", lambda message: self.check_console(message.type, message.text))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))

    def check_address(self, url: str, home: str, *elsewhere: str) -> None:
        if not url.startswith((home, home.replace("http", "ws"), "blob:", "data:", *elsewhere)):
            self.wrong.append(f"loaded {url}")

    def check_console(self, kind: str, text: str) -> None:
        if kind == "error" and not any(word in text for word in self.expected):
            self.wrong.append(text)


@pytest.fixture
def elsewhere() -> tuple[str, ...]:
    """What pages may load from besides their house."""
    return ()


@pytest.fixture
def context(chromium: Browser, house: House, elsewhere: tuple[str, ...]) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=house.url, accept_downloads=True)
    made.set_default_timeout(20_000)
    made.add_init_script(TOLD)
    watched = Watched(made, house, *elsewhere)
    made.watched = watched  # type: ignore[attr-defined]
    yield made
    made.close()
    assert watched.wrong == []


@pytest.fixture
def page(context: BrowserContext, house: House) -> Page:
    """Signed in as the first superuser, at the first page."""
    context.add_cookies([{"name": "sessionid", "value": house.session(), "url": house.url}])
    made = context.new_page()
    made.goto("/")
    return made


def sign_in(page: Page, name: str = "admin", password: str = PASSWORD) -> None:
    page.goto("/account/login/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def allow(page: Page, *words: str) -> None:
    """These words in the console are what the test provokes."""
    page.context.watched.expected = words  # type: ignore[attr-defined]
