"""Reviewing: the photo's page leads from one to the next, verdicts are plain forms, and each can be taken back."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processing import ledger
from processing.models import Job, Upload, Variant
from processing.recipe import Recipe
from tests import make

SignIn = Callable[[User], Client]
REASON = "19% of the edge is unsure."
CUT_OUT = Recipe(model="u2netp")


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


@pytest.fixture
def job(alice: User) -> Job:
    """Four completed photos, of which the second and the fourth are to be reviewed."""
    made = make.job(alice, 4, recipe=CUT_OUT)
    for upload in made.uploads.order_by("position"):
        claim = ledger.claim(upload.pk)
        assert claim
        ledger.finish(claim, [], {"model": "u2netp", "review": [REASON] if upload.position % 2 else []})
    return made


def ids(job: Job) -> list[int]:
    return list(job.uploads.order_by("position").values_list("pk", flat=True))


def page_of(client: Client, pk: int, reviewing: bool = True) -> str:
    return client.get(reverse("photo", args=[pk]), {"review": "1"} if reviewing else {}).content.decode()


def onward(page: str) -> str:
    """Where the page's verdicts lead."""
    found = re.search(r'<form id="review".*?name="next" value="([^"]*)"', page)
    assert found
    return found[1]


def test_what_is_to_review_comes_first_with_its_reason_and_a_way_to_begin(client: Client, job: Job) -> None:
    page = client.get(reverse("job", args=[job.pk])).content.decode()
    cards = re.findall(r'id="upload-card-(\d+)" data-state="(\w+)"', page)
    assert [state for _, state in cards] == ["review", "review", "completed", "completed"]
    assert page.count(REASON) >= 2
    assert f'href="{reverse("photo", args=[ids(job)[1]])}?review=1">' in page
    assert "Review 2</a>" in page


@pytest.mark.parametrize(("state", "count"), [("review", 2), ("completed", 4), ("", 4)])
def test_photos_to_review_are_filtered_and_are_completed_too(client: Client, job: Job, state: str, count: int) -> None:
    page = client.get(reverse("job", args=[job.pk]), {"state": state}).content.decode()
    assert page.count('id="upload-card-') == count


def test_the_history_names_and_finds_jobs_to_review(client: Client, alice: User, job: Job) -> None:
    make.job(alice, 1, name="Summer").uploads.update(status="completed")
    page = client.get(reverse("jobs"), {"state": "review"}).content.decode()
    assert "2 to review</span>" in page
    assert ">Summer<" not in page


def test_in_a_review_back_and_next_are_those_to_review(client: Client, job: Job) -> None:
    _, second, _, fourth = ids(job)
    page = page_of(client, second)
    assert "To review, 1 of 2" in page
    assert f'id="go-next" href="{reverse("photo", args=[fourth])}?review=1"' in page
    assert 'id="go-back"' not in page
    assert "4 of 4" in page_of(client, ids(job)[2], reviewing=False)


def test_verdicts_lead_from_one_to_the_next_and_then_to_the_job(client: Client, job: Job) -> None:
    _, second, _, fourth = ids(job)
    for pk in (second, fourth):
        page = page_of(client, pk)
        sent = {"upload": pk, "verdict": "accept", "next": onward(page)}
        answer = client.post(reverse("photos-review"), sent)
        assert (answer.status_code, answer["Location"]) == (303, onward(page))
    assert answer["Location"] == reverse("job", args=[job.pk])
    assert not Upload.objects.filter(needs_review=True).exists()


def test_from_the_last_a_verdict_leads_to_the_first_that_was_left_out(client: Client, job: Job) -> None:
    _, second, _, fourth = ids(job)
    assert onward(page_of(client, fourth)) == f"{reverse('photo', args=[second])}?review=1"


def test_undo_in_the_notice_leads_back_to_the_photo(client: Client, job: Job) -> None:
    second = ids(job)[1]
    here = f"{reverse('photo', args=[second])}?review=1"
    sent = {"upload": second, "verdict": "accept", "here": here, "next": onward(page_of(client, second))}
    shown = client.post(reverse("photos-review"), sent, follow=True).content.decode()
    found = re.search(r'<form method="post" action="(/photos/review\?[^"]+)"', shown)
    assert found
    answer = client.post(found[1].replace("&amp;", "&"), {"next": "/elsewhere/"})
    assert (answer.status_code, answer["Location"]) == (303, here)
    assert Upload.objects.get(pk=second).needs_review


def test_a_script_gets_the_same_undo_and_goes_nowhere(client: Client, job: Job) -> None:
    answer = client.post(reverse("photos-review"), {"upload": ids(job), "verdict": "accept"})
    notice = json.loads(answer["HX-Trigger"])["notice"]
    assert (answer.status_code, notice["text"]) == (204, "2 photos accepted.")
    assert client.post(notice["undo"]["url"]).status_code == 204
    assert Upload.objects.filter(needs_review=True).count() == 2


def test_a_redo_with_another_model_removes_the_background(client: Client, job: Job) -> None:
    second = ids(job)[1]
    client.post(reverse("photos-review"), {"upload": second, "verdict": "original"})
    client.post(reverse("photos-redo"), {"upload": second, "model": "u2netp"})
    recipe = Upload.objects.get(pk=second).recipe or {}
    assert (recipe["remove_bg"], recipe["model"]) == (True, "u2netp")


def test_all_fields_of_a_recipe_can_be_sent(client: Client, job: Job) -> None:
    second = ids(job)[1]
    sent = {"model": "u2netp", "format": "webp", "quality": "60", "trim": "on"}
    assert client.post(reverse("photo", args=[second]), sent).status_code == 204
    recipe = Recipe(**(Upload.objects.get(pk=second).recipe or {}))
    assert (recipe.remove_bg, recipe.format, recipe.quality, recipe.trim) == (False, "webp", 60, True)


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        ({"quality": "0"}, "invalid_recipe", "That is too little"),
        ({"model": "birefnet-portrait"}, "model_not_installed", "fetch_weights birefnet-portrait"),
    ],
)
def test_a_redo_that_cannot_be_done_is_422_and_says_why(
    client: Client, job: Job, sent: dict[str, str], code: str, words: str
) -> None:
    answer = client.post(reverse("photos-redo"), {"upload": ids(job)[1], **sent})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert words in answer.json()["detail"]
    assert set(Upload.objects.values_list("status", flat=True)) == {"completed"}


def test_what_does_not_fit_a_recipe_is_said_on_the_same_photo_and_stays_as_typed(client: Client, job: Job) -> None:
    here = reverse("photo", args=[ids(job)[1]]) + "?review=1"
    answer = client.post(here, {"model": "u2netp", "padding": "wide", "size": "700x", "next": "/jobs/"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'action="{here}"' in page
    assert "Margin</a>: A margin is" in page
    assert 'value="wide"' in page
    assert 'value="700x"' in page
    assert Upload.objects.filter(status="completed").count() == 4


@pytest.mark.parametrize("verdict", ["", "perhaps"])
def test_an_odd_verdict_is_refused(client: Client, job: Job, verdict: str) -> None:
    assert client.post(reverse("photos-review"), {"upload": ids(job), "verdict": verdict}).status_code == 422


@pytest.mark.parametrize("verdict", ["accept", "undo"])
def test_a_verdict_that_changes_nothing_says_so(client: Client, job: Job, verdict: str) -> None:
    answer = client.post(reverse("photos-review"), {"upload": ids(job)[0], "verdict": verdict})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("no_face_found", 'name="no_face" value="keep"'),
        ("multiple_faces", 'name="face_policy" value="largest"'),
        ("unknown_foreground", 'name="verdict" value="original"'),
        ("timeout", ""),
    ],
)
def test_what_failed_offers_what_helps(client: Client, alice: User, code: str, offered: str) -> None:
    upload = make.upload(alice, status="failed", error_code=code, recipe=CUT_OUT.to_json())
    page = page_of(client, upload.pk, reviewing=False)
    assert offered in page
    assert ('class="redo"' in page) == bool(offered)


def test_no_redo_is_headed_where_there_is_none_to_choose(client: Client, alice: User) -> None:
    recipe = CUT_OUT.to_json() | {"refine": "matting"}
    upload = make.upload(alice, status="completed", needs_review=True, review_reason=REASON, recipe=recipe)
    page = page_of(client, upload.pk)
    assert 'value="original"' in page
    assert 'class="redo"' not in page


def kept(upload: Upload, **names: str) -> None:
    """Files of this photo, by name, as "format width"."""
    for name, text in names.items():
        format, width = text.split()
        Variant.objects.create(
            upload=upload, name=name.replace("_", "-"), status="completed", key=name, format=format, width=width,
            height=60, bytes=9000, sha256="ab" * 32,
        )  # fmt: skip


def test_the_page_shows_every_measure(client: Client, alice: User) -> None:
    facts = {
        "model": "u2netp", "model_checksum": "309c8469258d", "source_colour": "Display P3, turned to sRGB",
        "quality": 72, "mask": {"unsure": 0.19, "subject": 0.38, "parts": 2, "confidence": 0.91}, "faces": 1,
        "timings": {"read": 0.2, "background": 0.61}, "memory_mb": 412, "waited": 372.0, "recipe": CUT_OUT.to_json(),
    }  # fmt: skip
    upload = make.upload(alice, status="completed", facts=facts, source_bytes=30_000)
    kept(upload, result="png 80", small="webp 40", hero="webp 60", web="webp 60")
    page = page_of(client, upload.pk, reviewing=False)
    for words in ("80 × 60 JPEG, 30 kB", "80 × 60 PNG, 9 kB, 70% smaller", "u2netp 309c8469258d", "Display P3, turned",
                  "72", "19%", "38% of the frame, 2 parts", "0.81 s of work", "waited 6 min 12 s", "peak 412 MB",
                  "4 files", "photo-0-small.webp 40w, photo-0-"):  # fmt: skip
        assert words in page, words
    assert page.count(" 60w") == 1


def test_a_result_without_a_preview_is_shown_itself(client: Client, alice: User) -> None:
    upload = make.upload(alice, status="completed")
    kept(upload, result="png 80")
    assert re.search(r'class="after" src="/photos/\d+/files/result\?v=', page_of(client, upload.pk, reviewing=False))
    Variant.objects.filter(name="result").update(format="tiff")
    assert 'class="after"' not in page_of(client, upload.pk, reviewing=False)


def test_a_tile_without_a_thumbnail_shows_the_preview(client: Client, alice: User) -> None:
    upload = make.upload(alice, status="completed")
    kept(upload, preview="webp 80")
    card = client.get(reverse("photo-card", args=[upload.pk])).content.decode()
    assert f"/photos/{upload.pk}/files/preview" in card


def test_of_one_face_it_is_said_whether_it_fits_the_format(client: Client, alice: User) -> None:
    upload = make.upload(alice, status="completed", facts={"faces": 1, "face_reports": [{"preset": "head", "out": []}]})
    kept(upload, result="png 80")
    assert "Fits head" in page_of(client, upload.pk, reviewing=False)


def test_several_results_are_shown_with_what_was_measured(client: Client, alice: User) -> None:
    reports = [{"preset": "headshot", "pass": True, "out": []}, {"pass": False, "out": ["The photo cuts the head."]}]
    upload = make.upload(alice, status="completed", facts={"face_reports": reports})
    kept(upload, result="png 80", result_2="png 80", thumbnail="webp 40", thumbnail_2="webp 40")
    page = page_of(client, upload.pk, reviewing=False)
    assert f'href="/photos/{upload.pk}/files/result-2?download=1"' in page
    assert "Fits headshot" in page
    assert "The photo cuts the head." in page


def queries(client: Client, pk: int) -> int:
    with CaptureQueriesContext(connection) as captured:
        page_of(client, pk)
    return len(captured)


def test_a_review_takes_as_many_queries_for_many_photos_as_for_few(client: Client, alice: User, job: Job) -> None:
    many = make.job(alice, 150, recipe=CUT_OUT)
    many.uploads.update(status="completed", needs_review=True)
    page_of(client, ids(job)[1])
    assert queries(client, ids(job)[1]) == queries(client, ids(many)[70])


def test_reasons_are_escaped(client: Client, alice: User) -> None:
    evil = "<img src=x onerror=alert(1)>"
    facts: dict[str, Any] = {"review": [evil, evil], "source_colour": evil}
    upload = make.upload(alice, status="completed", needs_review=True, review_reason=evil, facts=facts)
    for page in (page_of(client, upload.pk), client.get(reverse("job", args=[upload.job_id])).content.decode()):
        assert "<img src=x" not in page


def test_an_undo_that_cannot_be_worked_on_any_more_is_422_and_says_why(client: Client, alice: User) -> None:
    before = CUT_OUT.to_json() | {"model": "birefnet-portrait"}
    upload = make.upload(alice, status="completed", facts={"recipe": CUT_OUT.to_json(), "replaced": before})
    answer = client.post(reverse("photos-review"), {"upload": upload.pk, "verdict": "undo"})
    assert (answer.status_code, answer.json()["code"]) == (422, "model_not_installed")


def test_recipes_of_an_older_version_are_shown_as_far_as_they_fit(client: Client, alice: User) -> None:
    upload = make.upload(alice, status="completed")
    Job.objects.update(recipe={"model": "nonesuch", "sparkle": 3, "format": "webp"})
    named = {"jobs": [], "job": [upload.job_id], "job-row": [upload.job_id], "photo": [upload.pk]}
    pages = {name: client.get(reverse(name, args=ids)) for name, ids in named.items()}
    assert {name: answer.status_code for name, answer in pages.items()} == dict.fromkeys(named, 200)
    assert all("WEBP" in pages[name].content.decode() for name in ("jobs", "job", "job-row"))
