"""What a browser says of our pages by its own timings: how long frames and acts take, when a change is seen."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.house import PASSWORD

FLAGS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-sandbox"]
STRIDE, PAUSE = 1500, 50  # px of a turn of the wheel, and ms after it
LONG = 50  # ms: what takes longer keeps a person waiting

# `longtask` and `long-animation-frame` say what was longer than 50 ms, `event` how long until an interaction shows.
WATCH = """
window.seen = {frames: [], tasks: [], long: [], events: [], shift: 0, lcp: 0, at: {}}
const watch = (type, note, more = {}) => new PerformanceObserver((list) => list.getEntries().forEach(note))
  .observe({type, buffered: true, ...more})
watch("largest-contentful-paint", (entry) => { seen.lcp = entry.startTime })
watch("long-animation-frame", (entry) => seen.long.push(entry.duration))
watch("longtask", (entry) => seen.tasks.push(entry.duration))
watch("event", (entry) => { if (entry.interactionId) seen.events.push(entry.duration) }, {durationThreshold: 16})
watch("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shift += entry.value })
let last = 0
requestAnimationFrame(function frame(now) {
  if (last) seen.frames.push(now - last)
  last = now
  requestAnimationFrame(frame)
})
new MutationObserver((changes) => {
  const now = performance.timeOrigin + performance.now()
  for (const {target} of changes) {
    if (target.matches?.('.photo[data-state="completed"]')) seen.at[target.id.slice(12)] ??= now
  }
}).observe(document, {attributes: true, attributeFilter: ["data-state"], subtree: true})
"""


@contextmanager
def screen(url: str, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A browser in which the first superuser is signed in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(base_url=url, viewport={"width": width, "height": height})
        page.goto("/account/login/")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        page.add_init_script(WATCH)
        yield page
        browser.close()


def seen(page: Page) -> dict[str, Any]:
    """What WATCH noted: ms, but for `at`, when a photo was first seen completed, in ms since 1970."""
    return dict(page.evaluate("seen"))


def forget(page: Page) -> None:
    page.evaluate("Object.assign(seen, {frames: [], tasks: [], long: [], events: []})")


def elements(page: Page) -> int:
    return int(page.evaluate("document.getElementsByTagName('*').length"))


def scroll(page: Page, each: Callable[[], object]) -> None:
    """Down to the end, as with a wheel."""
    page.mouse.move(640, 500)
    while page.evaluate("scrollY + innerHeight < document.documentElement.scrollHeight - 2"):
        page.mouse.wheel(0, STRIDE)
        page.wait_for_timeout(PAUSE)
        each()
