"""The page of a product CSV after Start, its fragments, and what the rest of the house says of such a job."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing import breaker, dispatch, ledger
from processing.delivery import links
from processing.models import Callback, Delivery, Event, Job, ProductRow, Upload, Variant
from tests import make

SignIn = Callable[[User], Client]


@pytest.fixture
def client(alice: User, as_user: SignIn) -> Client:
    return as_user(alice)


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def page(client: Client, job: Job, **question: str) -> str:
    return client.get(reverse("product", args=[job.pk]), question).content.decode()


def rows_on(html: str) -> list[int]:
    """The ids of the rows that are shown, in order."""
    return [int(found) for found in re.findall(r'role="row" id="row-(\d+)"', html)]


def fail(job: Job, line: int, **values: str) -> ProductRow:
    """The photos of this row could not be fetched."""
    row = job.rows.get(line=line)
    error = {"status": "failed", "error_message": "The address answered 404, not found."}
    row.photos.update(**{**error, **values}, changed_at=timezone.now())
    return row


def test_the_page_takes_as_many_queries_for_many_rows_as_for_few(client: Client, alice: User) -> None:
    few, many = make.products(alice, 10, photos=2), make.products(alice, 200, photos=2)
    for upload in [*few.uploads.all()[:2], *many.uploads.all()[:5]]:
        make.finish(make.bring(upload))
    client.get(reverse("product", args=[few.pk]))
    for name in ("product", "product-changes"):
        assert queries(client, reverse(name, args=[few.pk])) == queries(client, reverse(name, args=[many.pk]))


def test_the_page_says_how_far_the_rows_and_their_photos_are(client: Client, alice: User) -> None:
    job = make.products(alice, 3, photos=2)
    for upload in job.uploads.all()[:3]:
        make.finish(make.bring(upload))
    shown = page(client, job)
    assert "<b>1</b> of 3 rows completed" in shown
    assert "3 of 6 photos" in shown
    assert "CSV so far" in shown
    assert f"{reverse('product-csv', args=[job.pk])}?details=1" in shown
    assert 'aria-current="step">2 Run' in shown
    for upload in job.uploads.filter(status="new"):
        make.finish(make.bring(upload))
    shown = page(client, job)
    assert "Download CSV" in shown
    assert 'aria-current="step">3 Download' in shown


def test_a_photo_is_seen_as_it_came_and_as_it_is_now(client: Client, alice: User) -> None:
    job = make.products(alice, 1)
    upload = make.finish(make.bring(job.uploads.get()))
    Variant.objects.filter(upload=upload, name="source-thumbnail").update(status="completed")
    shown = page(client, job)
    pair = re.search(r'<a class="pair".*?</a>', shown, re.DOTALL)
    assert pair
    assert re.findall(r"/files/([a-z-]+)", pair[0]) == ["source-thumbnail", "thumbnail"]
    assert reverse("photo", args=[upload.pk]) in pair[0]


def test_of_a_row_with_many_photos_the_first_are_shown(client: Client, alice: User) -> None:
    shown = page(client, make.products(alice, 1, photos=9))
    assert shown.count('class="pair"') == 6
    assert "+3" in shown


def test_a_large_csv_comes_in_pages(client: Client, alice: User) -> None:
    job = make.products(alice, 450)
    ids = rows_on(page(client, job))
    for number in (2, 3, 4, 5):
        more = client.get(reverse("product-rows", args=[job.pk]), {"page": number}).content.decode()
        ids += rows_on(more)
    assert ids == list(job.rows.order_by("position").values_list("pk", flat=True))
    assert "page=6" not in more
    assert rows_on(page(client, job, page="2")) == ids[100:200]


def test_rows_are_shown_by_state_and_those_that_failed_come_first(client: Client, alice: User) -> None:
    job = make.products(alice, 3)
    row = fail(job, 4)
    others = list(job.rows.exclude(pk=row.pk).order_by("position").values_list("pk", flat=True))
    assert rows_on(page(client, job)) == [row.pk, *others]
    assert rows_on(page(client, job, state="failed")) == [row.pk]
    assert rows_on(page(client, job, state="queued")) == others
    assert "No row is completed" in page(client, job, state="completed")


def test_rows_are_found_within_a_state(client: Client, alice: User) -> None:
    job = make.products(alice, 12)
    row = fail(job, 12)
    found = page(client, job, q="product 1")
    assert (len(rows_on(found)), "4 rows match" in found) == (4, True)
    assert rows_on(page(client, job, q="product 1", state="failed")) == [row.pk]
    assert "No row matches “kettle”" in page(client, job, q="kettle")


@pytest.mark.parametrize("question", ["page=" + "9" * 5000, "page=-1", "state=%00", "q=%00", "since=never", "shown=x"])
def test_odd_questions_are_answered_like_plain_ones(client: Client, alice: User, question: str) -> None:
    job = make.products(alice, 1)
    for name in ("product", "product-rows", "product-changes"):
        assert client.get(f"{reverse(name, args=[job.pk])}?{question}").status_code == 200


def test_names_are_escaped(client: Client, alice: User) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    job = make.products(alice, 1, name=evil)
    ProductRow.objects.update(name=evil, serial=evil, problem=evil, problem_code="csv_bad_row", problem_column="name")
    for path in (reverse("product", args=[job.pk]), reverse("jobs")):
        assert "<img src=x" not in client.get(path).content.decode()


# ---- what changed ---------------------------------------------------------------------------------------------------


def test_changes_are_the_rows_of_photos_that_changed_and_those_that_were_mended(client: Client, alice: User) -> None:
    job = make.products(alice, 4)
    Upload.objects.update(changed_at=timezone.now() - timedelta(minutes=5))
    failed, mended = fail(job, 3), job.rows.get(line=5)
    ProductRow.objects.filter(pk=mended.pk).update(mended=["4", "Kettle", "x"])
    question = {"since": (timezone.now() - timedelta(minutes=1)).isoformat(), "state": "failed"}
    answer = client.get(reverse("product-changes", args=[job.pk]), question).content.decode()
    assert rows_on(answer) == [failed.pk, mended.pk]
    assert f'id="job-progress-{job.pk}"' in answer
    assert re.search(r'state=failed" aria-current="true"', answer)
    unshown = client.get(reverse("product-changes", args=[job.pk]), question | {"shown": f"1-{failed.pk - 1}"})
    assert rows_on(unshown.content.decode()) == []


def test_a_host_that_holds_the_work_back_is_named(client: Client, alice: User) -> None:
    job = make.products(alice, 1, photos=2)
    assert "img.example.com is busy" not in page(client, job)
    ledger.postpone("img.example.com", timezone.now() + timedelta(seconds=40))
    assert "<b>img.example.com is busy or does not answer.</b> 2 photos wait for it" in page(client, job)


def test_a_host_that_does_not_answer_is_named_with_its_photos(client: Client, alice: User) -> None:
    job = make.products(alice, 1, photos=2)
    name = breaker.fetch("img.example.com")
    while not breaker.failed(name, "The server does not answer."):
        pass
    dispatch.Dispatcher().tend_breakers()
    text = page(client, job)
    assert "<b>img.example.com does not answer.</b> 2 photos wait for it and lose no try. Next try in" in text
    assert "img.example.com does not answer. The photo waits for it and loses no try." in text


def test_photos_with_the_same_content_are_told(client: Client, alice: User) -> None:
    job = make.products(alice, 3)
    for upload, width in zip(job.uploads.all(), (80, 80, 90), strict=True):
        make.bring(upload, width)
    assert "2 photos have the same content" in page(client, job)


def test_links_that_were_revoked_are_told(client: Client, alice: User) -> None:
    job = make.products(alice, 1)
    made = links.make(job)
    assert 'id="links-revoked"' not in page(client, job)
    links.revoke(made)
    assert 'id="links-revoked"' in page(client, job)


# ---- acts -----------------------------------------------------------------------------------------------------------


def test_every_row_that_failed_is_retried(client: Client, alice: User) -> None:
    job = make.products(alice, 3, photos=2)
    make.bring(job.uploads.all()[0])
    first, second = fail(job, 2), fail(job, 3)
    job.uploads.filter(rows__line=4).update(status="cancelled")
    assert "Retry 2 rows<" in page(client, job)
    answer = client.post(reverse("product-retry", args=[job.pk]))
    assert json.loads(answer["HX-Trigger"])["notice"]["text"] == "4 photos queued again."
    assert sorted(first.photos.values_list("status", flat=True)) == ["new", "queued"]
    assert set(second.photos.values_list("status", flat=True)) == {"new"}
    assert set(job.uploads.filter(rows__line=4).values_list("status", flat=True)) == {"cancelled"}
    again = client.post(reverse("product-retry", args=[job.pk]))
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_do")


def test_one_row_is_retried(client: Client, alice: User) -> None:
    job = make.products(alice, 2)
    one, other = fail(job, 2), fail(job, 3)
    home = reverse("product", args=[job.pk])
    answer = client.post(reverse("row-retry", args=[one.pk]), {"next": home})
    assert (answer.status_code, answer["Location"]) == (303, home)
    assert (one.photos.get().status, other.photos.get().status) == ("new", "failed")


def test_a_failed_address_can_be_changed_on_its_row(client: Client, alice: User) -> None:
    job = make.products(alice, 1)
    row = fail(job, 2)
    shown = page(client, job)
    assert "Change address" in shown
    assert f'action="{reverse("row-mend", args=[row.pk])}"' in shown
    assert f'value="{make.address(1)}"' in shown
    client.post(reverse("row-mend", args=[row.pk]), {"column": "urls", "text": "https://img.example.com/new.jpg"})
    assert row.photos.get().status == "new"
    assert "Change address" not in page(client, job)


# ---- the rest of the house ------------------------------------------------------------------------------------------


def test_the_history_leads_to_the_rows_and_knows_drafts(client: Client, alice: User) -> None:
    started, draft = make.products(alice, 3, name="Spring"), make.products(alice, 2, name="Summer", is_draft=True)
    shown = client.get(reverse("jobs")).content.decode()
    assert "3 rows, 3 photos" in shown
    assert "2 rows, not started" in shown
    assert all(f'href="{reverse("product", args=[job.pk])}"' in shown for job in (started, draft))
    assert "Draft</span>" in shown
    assert client.get(reverse("job-row", args=[draft.pk])).status_code == 200


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ({"state": "draft"}, {"Draft"}),
        ({"state": "processing"}, {"Running"}),
        ({"state": "completed"}, {"Carried"}),
        ({"state": "failed"}, set()),
        ({"q": "product 3"}, {"Draft"}),
        ({"q": "MUG-77"}, {"Draft"}),
    ],
)
def test_the_history_finds_csvs_by_state_and_by_their_rows(
    client: Client, alice: User, question: dict[str, str], found: set[str]
) -> None:
    make.products(alice, 1, name="Running")
    draft = make.products(alice, 3, name="Draft", is_draft=True)
    draft.rows.filter(line=2).update(serial="MUG-77")
    carried = make.products(alice, [[], []], name="Carried")
    ProductRow.objects.filter(job=carried).update(carried={"Status": "completed"})
    shown = client.get(reverse("jobs"), question).content.decode()
    assert {name for name in ("Running", "Draft", "Carried") if f">{name}<" in shown} == found


def test_a_deleted_draft_can_be_brought_back(client: Client, alice: User) -> None:
    job = make.products(alice, 1, name="Spring", is_draft=True)
    client.post(reverse("job-delete", args=[job.pk]))
    assert "Bring back Spring" in client.get(reverse("jobs")).content.decode()


def test_the_page_of_a_drafts_photos_is_its_check(client: Client, alice: User) -> None:
    draft, started = make.products(alice, is_draft=True), make.products(alice)
    answer = client.get(reverse("job", args=[draft.pk]))
    assert (answer.status_code, answer["Location"]) == (302, reverse("product", args=[draft.pk]))
    assert "Rows of its CSV" in client.get(reverse("job", args=[started.pk])).content.decode()
    assert "Rows of its CSV" not in client.get(reverse("job", args=[make.upload(alice).job_id])).content.decode()


def test_a_photo_names_its_rows_and_its_address(client: Client, alice: User) -> None:
    job = make.products(alice, [[make.address(1)], [make.address(1)]])
    shown = client.get(reverse("photo", args=[job.uploads.get().pk])).content.decode()
    assert "Line 2, Product 1" in shown
    assert "Line 3, Product 2" in shown
    assert f'href="{make.address(1)}"' in shown


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "To be fetched"),
        ({"claim": "0" * 32}, "Fetching"),
        ({"not_before": 40}, "Waits for img.example.com"),
        ({"not_before": 40, "error_code": "fetch_timeout", "attempts": 1}, "Again in 40 s, try 2"),
    ],
)
def test_a_photo_that_is_to_be_fetched_says_so(
    client: Client, alice: User, values: dict[str, object], words: str
) -> None:
    job = make.products(alice, 1)
    if "not_before" in values:
        values = values | {"not_before": timezone.now() + timedelta(seconds=40.4)}
    job.uploads.update(**values)
    assert f">{words}<" in client.get(reverse("job", args=[job.pk])).content.decode()


def test_operators_see_drafts_in_the_admin(alice: User, olga: User, admin_client: Client) -> None:
    make.products(alice, name="Spring", is_draft=True)
    shown = admin_client.get("/admin/processing/job/")
    assert "Spring" in shown.content.decode()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "https://shop.example.com/done is told when all have ended."),
        ({"attempts": 1, "answer": "500 Internal Server Error"}, "Its last answer: 500 Internal Server Error"),
        ({"attempts": 2, "answer": "204 No Content", "delivered_at": timezone.now()}, "Told https://shop.example.com"),
        ({"attempts": 1, "answer": "410 Gone", "given_up_at": timezone.now()}, "was not reached: 410 Gone"),
    ],
)
def test_what_became_of_the_callback_is_told(alice: User, as_user: SignIn, state: dict[str, Any], said: str) -> None:
    job = make.products(alice, 1)
    callback = Callback.objects.create(job=job, url="https://shop.example.com/done")
    if state:
        event = Event.objects.create(owner=alice, job=job, type="job.completed", body="{}")
        Delivery.objects.create(event=event, callback=callback, **state)
    assert said in page(as_user(alice), job)
