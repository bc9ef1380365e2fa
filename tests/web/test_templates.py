"""What holds for every template and asset: a strict CSP, fragments with one root, plain words, little weight."""

import gzip
import hashlib
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from processing.cards import Card
from processing.intake.products import Preflight
from processing.models import Job, ProductRow, Upload, Variant
from processing.product_rows import Standing
from processing.progress import Host, Progress
from processing.recipe import Recipe
from processing.row_cards import RowCard
from processing.sheet import Choice
from processing.web.problems import Problem

STATIC = Path(settings.ROOT) / "static"
ELEMENT = STATIC / "js" / "photo-processor.js"  # pages of others load it alone
TEMPLATES = Path(settings.ROOT) / "templates"
PAGES = sorted(TEMPLATES.rglob("*.html"))
VOID = {"input", "img", "hr", "br", "meta", "link", "path", "circle", "rect", "use"}

JOB = Job(pk=412, name="Lamps <b> & shades", owner_id=1)
COUNTS = {"new": 1, "queued": 380, "processing": 4, "completed": 605, "failed": 7, "cancelled": 3}
PROGRESS = Progress(COUNTS, to_review=14, first_to_review=7, left=(240, 360), rate=1.3)


def card(state: str = "completed") -> Card:
    names = ("result", "thumbnail", "preview", "source-preview")
    files = {name: Variant(upload_id=7, name=name, format="png", width=320, height=240) for name in names}
    return Card(
        id=7, job_id=412, name='mug "teal".jpg', head='mug "t', tail='eal".jpg', state=state, status="Status",
        step="Reading", steps_done=1, steps_total=5, place=None, message="No face was found." * (state == "failed"),
        remedy="", files=files, upload=Upload(pk=7, job=JOB, status="completed" if state == "review" else state),
    )  # fmt: skip


def row_card(state: str) -> RowCard:
    row = ProductRow(pk=9, job=JOB, line=17, name='mug "teal"', urls=["https://img.example.com/1.jpg"])
    for name, value in {"state": state, "photos_failed": 1, "photos_cancelled": 0}.items():
        setattr(row, name, value)
    return RowCard(row, "Status", [(1, card(state))], more=3, column="urls" if state == "failed" else "")


CONTEXT = {
    "standing": Standing({9: "failed", 10: "queued"}, to_retry=200, hosts=[Host("img.example.com", 61, 40)]),
    "job": JOB, "progress": PROGRESS, "state": "", "since": timezone.now(), "places": [],
    "facts": [("Original", "JPEG")],
    "timings": [("Reading", 0.06, 0, 74)], "work": 0.06, "can_keep_original": True, "has_mask": True,
    "choices": [Choice(1, "model", "u2net", "u2net", "0.4 s, whole shapes")],
    "files": [Variant(upload_id=7, name=name, width=320, height=240) for name in ("result", "small")],
    "preflight": Preflight(10, 6, 2, 1, 1, 0, 12, 1, 1, 3, (60, 90)), "may_start": True, "at_once": 4,
    "problem": Problem(ProductRow(pk=17, job=JOB, line=17, problem_code="csv_bad_row", problem_column="urls"), "x"),
    "row": {"job": JOB, "progress": PROGRESS, "pictures": [], "summary": "Cut-out", "owner_name": "alice",
            "csv_rows": 1195},
}  # fmt: skip


class Roots(HTMLParser):
    """The elements at the top, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth, self.found = 0, []  # type: ignore[var-annotated]
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if not self.depth:
            self.found.append(dict(attributes))
        self.depth += tag not in VOID

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        assert self.depth or not data.strip(), f"text beside the root: {data}"


@pytest.mark.parametrize(
    ("fragment", "root"),
    [
        ("jobs/_progress", "job-progress-412"),
        ("jobs/_counts", "job-counts-412"),
        ("jobs/_actions", "job-actions-412"),
        ("jobs/_since", "job-since-412"),
        ("jobs/_row", "job-row-412"),
        ("jobs/_card", "upload-card-7"),
        ("jobs/_place", "place-7"),
        ("photos/_photo", "photo-7"),
        ("products/_tiles", "product-tiles-412"),
        ("products/_start", "product-start-412"),
        ("products/_problems_head", "product-problems-412"),
        ("products/_problem", "row-problem-17"),
    ],
)
@pytest.mark.parametrize("state", ["queued", "processing", "completed", "failed", "cancelled", "review"])
def test_a_fragment_has_one_root_that_is_swapped_by_its_id(fragment: str, root: str, state: str) -> None:
    shown = row_card(state) if fragment == "products/_row" else card(state)
    roots = Roots(render_to_string(f"{fragment}.html", CONTEXT | {"card": shown})).found
    assert [(one["id"], one["hx-swap-oob"]) for one in roots] == [(root, "true")]


def test_names_are_escaped() -> None:
    html = render_to_string("jobs/_card.html", {"card": card("failed"), "may": {"retry": True}})
    assert "Retry mug &quot;teal&quot;.jpg" in html
    assert "Lamps &lt;b&gt; &amp; shades" in render_to_string("jobs/_row.html", CONTEXT)


FORBIDDEN = re.compile(
    r"""\s(?:style|on[a-z]+|hx-on[:\w-]*)=["']|<style|hx-vals=.js:|hx-trigger="[^"]*\["""
    r"""|<script(?![^>]*\ssrc=)|(?:src|href|action)=["'](?:https?:)?//"""
)


def test_the_content_security_policy_holds() -> None:
    assert [(page, found[0]) for page in PAGES if (found := FORBIDDEN.search(page.read_text()))] == []


def test_the_words_are_plain() -> None:
    words = re.compile(r"\b(?:please|oops|successfully|asset)\b", re.IGNORECASE)
    assert [(page, found[0]) for page in PAGES if (found := words.search(page.read_text()))] == []


def test_every_icon_exists() -> None:
    known = set(re.findall(r'id="i-([a-z]+)"', (STATIC / "icons.svg").read_text()))
    used = {name for page in PAGES for name in re.findall(r'{% icon "([a-z]+)"', page.read_text())}
    assert used - known == set()


def test_vendored_scripts_are_what_their_note_says() -> None:
    note = (STATIC / "vendor/README.md").read_text()
    for script in (STATIC / "vendor").glob("*.js"):
        assert hashlib.sha256(script.read_bytes()).hexdigest() in note


def loaded(page: Path) -> set[Path]:
    """Our styles, scripts and icons that a page loads; what scripts import is among them."""
    text = (TEMPLATES / "base.html").read_text() + page.read_text()
    named = {STATIC / name for name in ["icons.svg", *re.findall(r"{% static '([\w/.-]+)' %}", text)]}
    found = set[Path]()
    while more := {file for file in named if file.exists()} - found:
        found |= more
        imports = [(file, re.findall(r'from "\./([\w-]+\.js)"', file.read_text())) for file in more]
        named = {file.parent / name for file, names in imports for name in names}
    return found


def test_what_a_page_loads_is_light() -> None:
    packed = cache(lambda file: len(gzip.compress(file.read_bytes())))
    weights = {page: sum(map(packed, loaded(page))) for page in PAGES}
    assert {page: weight for page, weight in weights.items() if weight > 55_000} == {}


def test_the_element_for_pages_of_others_is_light_and_knows_every_field_of_a_recipe() -> None:
    assert len(gzip.compress(ELEMENT.read_bytes())) <= 9_000
    named = re.search(r"const FIELDS = `([^`]+)`", ELEMENT.read_text())
    assert named
    assert set(named[1].split()) == set(Recipe.model_fields)
