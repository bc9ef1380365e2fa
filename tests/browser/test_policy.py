"""The Content-Security-Policy in a real browser: no page breaks it, and what gets into one is not run.

All journeys run under it, and fail where a page breaks it. Here every page is visited, also where no journey leads,
with the policy reported alone: so nothing that it blocks hides what would have come after.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests import naughty
from tests.browser.conftest import allow
from tests.browser.test_journey import start
from tests.browser.test_look import WRONG, send
from tests.conftest import picture
from tests.house import House, token
from tests.receiver import Receiver
from tests.web.walk import routes

NEWEST = {
    "job": "processing_job", "photo": "processing_upload", "product": "processing_productcsv",
    "row": "processing_productrow", "webhook": "processing_endpoint", "delivery": "processing_delivery",
}  # fmt: skip
WORDS = {"app_label": "processing", "queue_index": 0, "auth_user": 1, "auth_group": 1, "processing_job": "job"}
BESIDES = ["/api/docs", "/api/docs?dialects", "/nowhere", "/?preset=white", "/admin/processing/queue/?q=state:failed"]
RUN = f"<img src='{naughty.FAR}' onerror='window.ran = 1'><a href='javascript:window.ran = 1' id='runs'>x</a>"
FRAMED = "(url) => { const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame) }"


@pytest.fixture
def paths(page: Page, house: House, receiver: Receiver) -> Iterator[list[str]]:
    """Of all pages, with something behind each: what is no page is left out. Nobody hears of later tests by it."""
    start(page, {"cup.jpg": picture(90), "cut.jpg": picture(900, 700, quality=95)[:4000]})
    expect(page.get_by_text(re.compile("All have ended"))).to_be_visible(timeout=60_000)
    send(page, WRONG)
    client = house.client()
    fill(client, "/webhooks/", "/webhooks/add", url=receiver.url, types="job.completed", next="/webhooks/")
    (endpoint,) = house.rows("SELECT max(id) FROM processing_endpoint")[0]
    fill(client, "/webhooks/", f"/webhooks/{endpoint}/test", next="/webhooks/")
    things: dict[str, Any] = {name: house.rows(f"SELECT max(id) FROM {table}")[0][0] for name, table in NEWEST.items()}
    things["product"] = house.rows("SELECT max(job_id) FROM processing_productcsv")[0][0]
    things |= WORDS | {"processing_job": things["job"], "processing_upload": things["photo"]}
    found = [*BESIDES, *(route.address(things) for route in routes("", "admin", "django_rq"))]
    yield [path for path in found if is_page(client, path)]
    fill(client, "/webhooks/", f"/webhooks/{endpoint}/remove", next="/webhooks/")


def fill(client: httpx.Client, page: str, path: str, **fields: str) -> None:
    answer = client.post(path, data={**fields, **token(client.get(page).text)})
    assert answer.status_code == 303, answer.text


def is_page(client: httpx.Client, path: str) -> bool:
    with client.stream("GET", path) as answer:
        return answer.status_code in (200, 404) and answer.headers.get("content-type", "").startswith("text/html")


def reported(route: Route) -> None:
    """The page with its policy reported, and not kept to."""
    answer = route.fetch(max_redirects=0)
    headers = dict(answer.headers)
    headers["content-security-policy-report-only"] = headers.pop("content-security-policy", "")
    route.fulfill(response=answer, headers=headers)


def test_no_page_breaks_its_policy(page: Page, paths: list[str], context: BrowserContext) -> None:
    assert len(paths) > 40
    pages = re.compile(r"^[^?]*://[^/]+/(?!static/)")
    context.route(pages, lambda route: reported(route) if is_document(route) else route.continue_())
    watched: Any = context.watched  # type: ignore[attr-defined]
    for path in paths:
        page.goto(path, wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert [line for line in watched.wrong if "policy" in line.lower()] == []
    watched.wrong.clear()  # of pages that are not there, and of RQ's own; no socket is opened by a page that comes so


def is_document(route: Route) -> bool:
    return route.request.resource_type == "document" and route.request.method == "GET"


def test_nobody_breaks_it_who_is_not_signed_in(context: BrowserContext) -> None:
    page = context.new_page()
    allow(page, "Failed to load resource")
    for path in ("/account/login/", "/account/password/reset/", "/account/invitation/gone/", "/account/sign-up/",
                 "/account/password/reset/MQ/gone/", "/nowhere", "/api/docs", "/admin/", "/links/gone/a"):  # fmt: skip
        page.goto(path)


def test_what_gets_into_a_page_is_neither_loaded_nor_run_and_is_seen(page: Page) -> None:
    watched: Any = page.context.watched  # type: ignore[attr-defined]
    page.evaluate("(text) => document.body.insertAdjacentHTML('beforeend', text)", RUN)
    page.locator("#runs").evaluate("(link) => link.click()")
    page.evaluate(FRAMED, naughty.FAR)
    page.wait_for_function("() => document.querySelector('iframe')")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    broken = {word for line in watched.wrong if line.startswith("the policy: enforce") for word in line.split()[3:4]}
    assert broken == {"img-src", "script-src-attr", "script-src-elem", "frame-src"}
    watched.wrong.clear()


# ---- names -----------------------------------------------------------------------------------------------------------

GOT_THROUGH = f"document.querySelectorAll('{naughty.TAG}, [{naughty.ATTRIBUTE}], img[src^=\"{naughty.FAR}\"]').length"
SOME = [name for name in (*naughty.MARKUP, *naughty.SCRIPTS[:6], *naughty.LETTERS[:4]) if name.endswith(".jpg")]


def test_no_name_becomes_a_part_of_a_page(page: Page) -> None:
    """From the files that were picked to the cards that a socket sends."""
    got: list[int] = []
    page.on("load", lambda page: got.append(page.evaluate(GOT_THROUGH)))
    start(page, {name: picture(60 + at) for at, name in enumerate(SOME)})
    expect(page.get_by_text(re.compile("All have ended"))).to_be_visible(timeout=90_000)
    assert page.evaluate(GOT_THROUGH) == 0
    for name in (naughty.MARKUP[1], naughty.MARKUP[12]):
        page.get_by_role("searchbox").first.fill(name)
    for link in [str(one.get_attribute("href")) for one in page.locator(".photo .name").all()[:4]]:
        page.goto(link)
        assert page.evaluate(GOT_THROUGH) == 0
    page.goto(f"/admin/processing/queue/?q={naughty.TAG}")
    assert page.evaluate(GOT_THROUGH) == 0
    assert not any(got)
