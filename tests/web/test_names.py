"""Whatever somebody calls a photo: it is shown as it is, on every page, and is nothing but a name wherever it goes."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from email.message import Message
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from processing.models import Job, Upload
from processing.spreadsheet import RUNS
from tests import make
from tests.api.answers import content
from tests.conftest import picture
from tests.naughty import ATTRIBUTE, FAR, MARKUP, NAMES, TAG

SignIn = Callable[[User], Client]
LEADING = {"a": "href", "img": "src", "form": "action", "button": "formaction", "link": "href", "script": "src"}


class Read(HTMLParser):
    """What a browser would make of a page: its words, what each attribute says, and what has no place there."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.said, self.wrong = "", set[str](), list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.said |= {value for _, value in attributes if value}
        self.wrong += [tag] * (tag == TAG) + [name for name, _ in attributes if name.startswith("on")]
        place = dict(attributes).get(LEADING.get(tag, "")) or ""
        if urlsplit(place).scheme or place.startswith("//"):
            self.wrong.append(place)

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        self.wrong += [data] * (TAG in data)


@pytest.fixture
def job(alice: User, as_user: SignIn, settings: Any) -> Job:
    """Photos of all these names, each completed."""
    settings.MAX_FILES = len(NAMES)
    answer = as_user(alice).post(reverse("new-job"), *form(NAMES))
    assert answer.status_code == 303, answer.text
    job = Job.objects.get()
    for upload in job.uploads.all():
        make.finish(upload)
    return job


def form(names: list[str]) -> tuple[bytes, str]:
    """The form, with each name written so that every sign of it comes through."""
    photo, edge = picture(), b"--edge"
    fields = {"model": "u2netp", "format": "jpg", "name": MARKUP[1]}
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [
        f"Content-Disposition: form-data; name=files; filename*=UTF-8''{quote(name, safe='')}\r\n\r\n".encode() + photo
        for name in names
    ]
    body = b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"
    return body, "multipart/form-data; boundary=edge"


def read(client: Client, path: str, **asked: Any) -> Read:
    answer = client.get(path, asked)
    assert answer.status_code == 200, path
    found = Read(answer.text)
    assert found.wrong == [], path
    return found


def test_each_is_taken_and_counted(job: Job) -> None:
    blank = {name for name in NAMES if not name.strip(" ./\\\0")}
    assert len(NAMES) >= job.uploads.count() >= len(NAMES) - len(blank)
    assert len({name.casefold() for name in job.uploads.values_list("name", flat=True)}) == job.uploads.count()


def test_each_is_shown_as_it_is_on_every_page(job: Job, alice: User, admin_user: User, as_user: SignIn) -> None:
    hers, operators = as_user(alice), as_user(admin_user)
    page, found = read(hers, reverse("job", args=[job.pk])), read(operators, reverse("queue"))
    assert job.name in page.words
    for upload in job.uploads.all():
        assert f"Select {upload.name}" in read(hers, reverse("photo-card", args=[upload.pk])).said
        one = read(hers, reverse("photo", args=[upload.pk]))
        assert upload.name in one.words
        assert f"The result for {upload.name}" in one.said
    assert found.words.count(TAG) > 5
    for path in (reverse("jobs"), reverse("links"), reverse("statistics"), reverse("new-job"), reverse("products")):
        read(hers, path)
    photo = job.uploads.get(name__startswith="'_")
    kinds = {"upload": photo.pk, "job": job.pk}
    admin = [f"/admin/processing/{kind}/{page}" for kind, pk in kinds.items() for page in ("", f"{pk}/change/")]
    for path in (reverse("queue-why", args=[photo.pk]), *admin):
        read(operators, path)


@pytest.mark.parametrize("name", ["jobs", "queue", "job"])
def test_what_is_looked_for_is_shown_as_it_is(name: str, alice: User, admin_user: User, as_user: SignIn) -> None:
    client, path = as_user(admin_user), reverse(name, args=[make.job(alice).pk] if name == "job" else [])
    for asked in MARKUP[:8]:
        for words in (["q"], ["state", "after", "page", "sort", "job", "owner"]):
            found = Read(client.get(path, dict.fromkeys(words, asked)).text)
            assert found.wrong == [], (words, asked)


def test_each_fails_as_it_is(job: Job, alice: User, as_user: SignIn) -> None:
    """Where a message speaks of the photo, and the fragments that a socket sends."""
    Upload.objects.update(status="failed", error_message=MARKUP[1], error_remedy=MARKUP[2])
    client = as_user(alice)
    assert MARKUP[1] in read(client, reverse("job-changes", args=[job.pk])).words
    for upload in job.uploads.all()[: len(MARKUP)]:
        assert f"Retry {upload.name}" in read(client, reverse("photo-card", args=[upload.pk])).said


# ---- files -----------------------------------------------------------------------------------------------------------


def test_in_a_zip_each_is_a_file_beside_the_others(job: Job, alice: User, as_user: SignIn) -> None:
    answer = as_user(alice).get(reverse("job-zip", args=[job.pk]))
    archive = zipfile.ZipFile(io.BytesIO(content(answer)))
    names = archive.namelist()
    assert len({name.casefold() for name in names}) == len(names) == job.uploads.count() + 1
    assert [name for name in names if re.search(r'[/\\<>:"|?*\x00-\x1f\x7f]|^\.|^ |[. ]$|\.\.$', name)] == []
    assert max(len(name.encode()) for name in names) <= 255
    rows = list(csv.reader(io.StringIO(archive.read("manifest.csv").decode(), newline="")))
    assert [cell for row in rows for cell in row if cell.startswith(RUNS)] == []
    assert [row[1] for row in rows[1:]] == [harmless(name) for name in names[:-1]]
    assert {len(row) for row in rows} == {len(rows[0])}


def harmless(name: str) -> str:
    return f"'{name}" if name.startswith(RUNS) else name


def test_in_a_header_each_is_one_name(job: Job, alice: User, as_user: SignIn) -> None:
    client, given = as_user(alice), set()
    for upload in job.uploads.all():
        for variant in ("original", "result"):
            answer = client.get(reverse("photo-file", args=[upload.pk, variant]), {"download": "1"})
            content(answer)
            message = Message()
            message["Content-Disposition"] = answer["Content-Disposition"]
            assert message.get_content_disposition() == "attachment"
            assert {name for name, _ in message.get_params(header="Content-Disposition")[1:]} == {"filename"}
            given.add(str(message.get_filename()))
            assert variant == "original" or str(message.get_filename()).endswith(".jpg")
            assert not answer.has_header("X-Naughty")
            assert "naughty" not in answer.cookies
    assert [name for name in given if re.search(r"[/\\\x00-\x1f\x7f]", name)] == []


def test_the_api_says_each_as_json_and_nothing_else(job: Job, alice: User, as_user: SignIn) -> None:
    answer = as_user(alice).get("/api/v1/uploads", {"limit": 100})
    assert answer["Content-Type"].startswith("application/json")
    assert answer["X-Content-Type-Options"] == "nosniff"
    names = set(job.uploads.values_list("name", flat=True))
    assert {one["name"] for one in answer.json()["results"]} <= names


# ---- what else people name ------------------------------------------------------------------------------------------


def test_what_else_has_a_name_is_shown_as_it_is(alice: User, olga: User, as_user: SignIn) -> None:
    name = MARKUP[1]
    csv_job = make.products(alice, [[f"https://img.example.com/{quote(name)}.jpg"]], name=f"{name}.csv")
    csv_job.rows.update(name=name, serial=name, problem=name)
    csv_job.product_csv.__class__.objects.update(header=[name, name, name])
    client = as_user(alice)
    client.post(reverse("preset-save"), {"preset_name": name, "name": name, "model": "u2netp", "format": "jpg"})
    client.post(reverse("tokens"), {"name": name, "scopes": "read", "life": "hour"})
    client.post(
        reverse("webhook-add"), {"url": f"https://hooks.example.com/{name}", "name": name, "types": "job.completed"}
    )
    as_user(olga).post(reverse("invitations"), {"note": name})
    pages = [reverse("product", args=[csv_job.pk]), reverse("products"), reverse("presets"), reverse("tokens"),
             reverse("webhooks"), reverse("jobs"), reverse("links")]  # fmt: skip
    shown = {path: name in (found := read(client, path)).words or name in found.said for path in pages}
    assert shown[pages[0]]
    assert shown[reverse("tokens")]
    assert name in read(as_user(olga), reverse("invitations")).words


def test_no_address_of_a_photo_is_a_link_that_runs(alice: User, as_user: SignIn) -> None:
    upload = make.products(alice, 1).uploads.get()
    Upload.objects.update(url=f"{FAR}{ATTRIBUTE}")
    found = Read(as_user(alice).get(reverse("photo", args=[upload.pk])).text)
    assert found.wrong == [f"{FAR}{ATTRIBUTE}"], "the one link that leads out of the house"
