"""Jobs over the API: found, looked at, and what can be done with them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as house
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing import tokens
from processing.models import Callback, Job, Refusal, Upload
from tests import make
from tests.api.answers import content
from tests.api.programs import program

JOBS = "/api/v1/jobs"


@pytest.fixture
def shop(alice: User) -> Client:
    return program(alice)


def patch(client: Client, path: str, body: Any) -> Any:
    return client.patch(path, json.dumps(body), "application/json")


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [one["job_id"] for one in answer.json()["results"]]


# ---- one -----------------------------------------------------------------------------------------------------------


def test_a_job_tells_all_that_the_contract_names(shop: Client, alice: User) -> None:
    job = make.job(alice, 4)
    make.finish(job.uploads.all()[0])
    job.uploads.filter(position=1).update(status="failed")
    Callback.objects.create(job=job, url="https://shop.example.com/told")
    Refusal.objects.create(job=job, name="n.txt", code="invalid_file_type", detail="Unsupported.")
    told, here = shop.get(f"{JOBS}/{job.pk}").json(), f"{house.URL}{JOBS}/{job.pk}"
    assert (told["job_id"], told["name"], told["status"], told["open"]) == (job.pk, "Spring", "processing", False)
    assert told["recipe"] == job.recipe
    assert told["counts"] == {"new": 0, "queued": 2, "processing": 0, "completed": 1, "failed": 1, "cancelled": 0}
    assert told["summary"] == {"total": 4, "successful": 1, "failed": 1, "percentage": 50}
    assert (told["to_review"], told["eta"], told["callback_url"]) == (0, None, "https://shop.example.com/told")
    assert told["refused"] == [{"name": "n.txt", "code": "invalid_file_type", "detail": "Unsupported."}]
    assert told["refused_total"] == 1
    assert told["updated_at"] > told["created_at"]
    assert told["urls"] == {
        "self": here, "uploads": f"{here}/uploads", "zip": f"{here}/results.zip",
        "page": f"{house.URL}/jobs/{job.pk}/", "rows": None, "csv": None,
    }  # fmt: skip


def test_a_job_at_work_says_how_long_it_takes(shop: Client, alice: User) -> None:
    job, now = make.job(alice, 12), timezone.now()
    ended = {"status": "completed", "started_at": now - timedelta(seconds=40), "finished_at": now}
    job.uploads.filter(position__lt=10).update(**ended)
    eta = shop.get(f"{JOBS}/{job.pk}").json()["eta"]
    assert 0 < eta["least"] < eta["most"]


def test_a_product_csv_names_its_rows_and_its_csv(shop: Client, alice: User) -> None:
    job = make.products(alice)
    urls = shop.get(f"{JOBS}/{job.pk}").json()["urls"]
    assert urls["rows"] == f"{house.URL}{JOBS}/{job.pk}/rows"
    assert urls["csv"] == f"{house.URL}{JOBS}/{job.pk}/results.csv"
    assert urls["page"] == f"{house.URL}/products/{job.pk}/"


@pytest.mark.parametrize("number", ["0", "seven", "-1", str(10**30), "9" * 5000, "1.5", "%00", "１"])
def test_an_id_that_is_none_is_404(shop: Client, number: str) -> None:
    for path in (
        f"{JOBS}/{number}",
        f"{JOBS}/{number}/uploads",
        f"{JOBS}/{number}/rows",
        f"{JOBS}/{number}/results.zip",
    ):
        answer = shop.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_what_is_somebody_elses_or_of_another_narrow_token_is_404(alice: User, bob: User) -> None:
    made = tokens.make(alice, "Page", ["read", "write"], is_narrow=True)
    page = Client(headers={"Authorization": f"Bearer {made.secret}"})
    job, own = make.job(alice), make.job(alice, token=made.token)
    for client in (program(bob), page):
        assert ids(client.get(JOBS)) == ([own.pk] if client is page else [])
        for method, act in (("get", ""), ("get", "/uploads"), ("patch", ""), ("delete", ""), ("post", "/cancel")):
            assert getattr(client, method)(f"{JOBS}/{job.pk}{act}").status_code == 404
    assert page.get(f"{JOBS}/{own.pk}").status_code == 200


def test_a_scope_that_is_missing_is_said(alice: User) -> None:
    job = make.job(alice)
    answer = program(alice, "read").post(f"{JOBS}/{job.pk}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert job.uploads.get().status == "queued"


# ---- many ----------------------------------------------------------------------------------------------------------


def test_jobs_come_newest_first_in_pages_that_nothing_moves(shop: Client, alice: User) -> None:
    made = [make.job(alice, 0, name=f"Job {number}").pk for number in range(7)]
    first = shop.get(JOBS, {"limit": 3, "q": "Job"}).json()
    assert [one["job_id"] for one in first["results"]] == made[:3:-1]
    assert first["previous"] is None
    make.job(alice, 0, name="Job new")
    assert first["next"].startswith(f"{house.URL}{JOBS}?")
    second = shop.get(first["next"]).json()
    assert [one["job_id"] for one in second["results"]] == made[3:0:-1]
    third = shop.get(second["next"]).json()
    assert ([one["job_id"] for one in third["results"]], third["next"]) == (made[:1], None)
    back = shop.get(third["previous"]).json()
    assert back == second
    assert shop.get(back["previous"]).json()["results"] == first["results"]


def test_the_page_before_the_first_says_that_it_is_the_first(shop: Client, alice: User) -> None:
    for _ in range(4):
        make.job(alice, 0)
    first = shop.get(JOBS, {"limit": 2}).json()
    again = shop.get(shop.get(first["next"]).json()["previous"]).json()
    assert (again["results"], again["previous"]) == (first["results"], None)


@pytest.mark.parametrize("cursor", ["x", "W2ZhbHNlLDFd:bad", "\0", "é", "a" * 5000])
def test_a_bad_cursor_is_refused(shop: Client, cursor: str) -> None:
    answer = shop.get(JOBS, {"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/query/cursor")


def test_a_cursor_of_another_list_is_refused(shop: Client, alice: User) -> None:
    one, other = make.job(alice, 3), make.job(alice, 3)
    address = shop.get(f"{JOBS}/{one.pk}/uploads", {"limit": 1}).json()["next"]
    assert shop.get(address).status_code == 200
    assert shop.get(address.replace(f"/{one.pk}/", f"/{other.pk}/")).status_code == 422


@pytest.mark.parametrize(
    "asked", [{"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"status": "odd"}, {"since": "now"}]
)
def test_a_filter_that_makes_no_sense_is_refused(shop: Client, asked: dict[str, str]) -> None:
    answer = shop.get(JOBS, asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/query/{next(iter(asked))}"


def test_jobs_are_found_by_state_by_words_and_by_when_they_were_made(shop: Client, alice: User) -> None:
    old = make.job(alice, name="Old shoes", created_at=timezone.now() - timedelta(days=2))
    done, draft = make.job(alice, name="Hats"), make.products(alice, is_draft=True)
    make.finish(done.uploads.get())
    assert ids(shop.get(JOBS, {"status": "completed"})) == [done.pk]
    assert ids(shop.get(JOBS, {"status": "processing"})) == ids(shop.get(JOBS, {"status": "queued"})) == [old.pk]
    assert ids(shop.get(JOBS, {"status": "draft"})) == [draft.pk]
    assert ids(shop.get(JOBS, {"q": "shoe\0s"})) == [old.pk]
    since = (timezone.now() - timedelta(days=1)).isoformat()
    assert ids(shop.get(JOBS, {"since": since})) == [draft.pk, done.pk]


def test_only_an_operator_with_the_scope_sees_everybodys(alice: User, olga: User) -> None:
    job = make.job(alice)
    asked = {"everybody": "true"}
    assert ids(program(olga, "read", "queue").get(JOBS, asked)) == [job.pk]
    assert ids(program(olga, "read").get(JOBS, asked)) == []


def test_a_list_takes_as_many_queries_for_many_as_for_few(shop: Client, alice: User) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert shop.get(path).status_code == 200
        return len(captured)

    few, many = make.job(alice, 2), make.job(alice, 40)
    shop.get(JOBS)
    before = queries(JOBS)
    for _ in range(10):
        Callback.objects.create(job=make.job(alice), url="https://shop.example.com/told")
        make.products(alice, 1)
    assert queries(JOBS) == before
    assert queries(f"{JOBS}/{few.pk}/uploads") == queries(f"{JOBS}/{many.pk}/uploads")


def test_the_photos_of_a_job_come_in_its_order(shop: Client, alice: User) -> None:
    job = make.job(alice, 5)
    make.finish(job.uploads.get(position=2))
    first = shop.get(f"{JOBS}/{job.pk}/uploads", {"limit": 3}).json()
    second = shop.get(first["next"]).json()
    assert [one["name"] for one in first["results"] + second["results"]] == [f"photo-{n}.jpg" for n in range(5)]
    done = shop.get(f"{JOBS}/{job.pk}/uploads", {"status": "completed"}).json()["results"]
    assert [one["name"] for one in done] == ["photo-2.jpg"]


# ---- what is done with one -----------------------------------------------------------------------------------------


def test_a_job_is_renamed(shop: Client, alice: User) -> None:
    path = f"{JOBS}/{make.job(alice).pk}"
    assert patch(shop, path, {"name": " Summer \n sale "}).json()["name"] == "Summer sale"
    assert shop.patch(path, "name=Autumn", "application/x-www-form-urlencoded").json()["name"] == "Autumn"
    for body in ({"name": "\u200e "}, {"name": "n" * 201}, {"name": 5}, {}, {"name": "a", "open": True}):
        assert patch(shop, path, body).status_code == 422
    assert Job.objects.get().name == "Autumn"


def test_a_job_is_cancelled_and_retried(shop: Client, alice: User) -> None:
    job = make.job(alice, 3)
    path = f"{JOBS}/{job.pk}"
    job.uploads.filter(position=0).update(status="failed")
    assert shop.post(f"{path}/cancel").json() == {"cancelled": 2}
    again = shop.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_do")
    retried = shop.post(f"{path}/retry", '{"status": "failed"}', "application/json")
    assert retried.json() == {"retried": 1}
    assert shop.post(f"{path}/retry").json() == {"retried": 2}
    assert shop.post(f"{path}/retry").status_code == 409
    assert shop.post(f"{path}/retry", '{"status": "completed"}', "application/json").status_code == 422


def test_a_job_is_deleted_and_brought_back(shop: Client, alice: User) -> None:
    path = f"{JOBS}/{make.job(alice).pk}"
    assert shop.delete(path).status_code == 204
    assert shop.get(path).status_code == shop.delete(path).status_code == 404
    assert shop.post(f"{path}/restore").json()["name"] == "Spring"
    assert shop.get(path).status_code == 200
    assert shop.post(f"{path}/restore").status_code == 404


def test_a_product_csv_is_not_closed_from_outside_while_its_rows_get_their_photos(shop: Client, alice: User) -> None:
    job = make.products(alice, is_open=True)
    Upload.objects.all().delete()
    assert shop.post(f"{JOBS}/{job.pk}/close").json()["open"] is True
    assert shop.post(f"{JOBS}/{job.pk}/uploads", {"image_urls": "https://img.example.com/9.jpg"}).status_code == 409


# ---- what came of it -----------------------------------------------------------------------------------------------


def test_the_results_come_as_a_zip_all_or_some(shop: Client, alice: User) -> None:
    job = make.job(alice, 2)
    first, second = (make.finish(upload) for upload in job.uploads.order_by("position"))
    path = f"{JOBS}/{job.pk}/results.zip"
    whole = content(shop.get(path))
    assert b"photo-0.jpg" in whole
    assert b"photo-1.jpg" in whole
    assert b"photo-0.jpg" not in content(shop.get(path, {"upload": second.pk}))
    other = make.upload(alice)
    for asked in ([first.pk, other.pk], [10**30], ["x"]):
        assert shop.get(path, {"upload": asked}).status_code in (404, 422)


def test_a_product_csv_comes_with_its_results_and_its_links_can_be_revoked(shop: Client, alice: User) -> None:
    job = make.products(alice, 1)
    make.finish(make.bring(job.uploads.get()))
    path = f"{JOBS}/{job.pk}"
    made = shop.post(f"{path}/links")
    assert made.status_code == 201
    assert made.json()["active"] is True
    assert b"/links/" in content(shop.get(f"{path}/results.csv"))
    assert b",Status,Error," in content(shop.get(f"{path}/results.csv", {"details": "1"}))
    assert shop.delete(f"{path}/links").status_code == 204
    assert [one["active"] for one in shop.get(f"{path}/links").json()] == [False]
    assert b"/links/" not in content(shop.get(f"{path}/results.csv"))
    plain = make.job(alice)
    for end in ("results.csv", "links", "rows", "preflight"):
        assert shop.get(f"{JOBS}/{plain.pk}/{end}").status_code == 404


def test_the_recipe_of_a_job_can_be_sent_again(shop: Client, alice: User) -> None:
    recipe = shop.get(f"{JOBS}/{make.job(alice).pk}/recipe").json()
    body = json.dumps(recipe | {"image_urls": ["https://img.example.com/1.jpg"]})
    pk = shop.post(JOBS, body, "application/json").json()["job_id"]
    assert Job.objects.get(pk=pk).recipe == recipe
