"""The rows of a product CSV over the API."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processing.intake import products
from processing.models import Job
from tests import make
from tests.api.programs import program

CSV = (
    b"S. No.,Product Name,Input Image Urls\n1,Shoe,https://img.example.com/1.jpg\n"
    b"2,Hat,htps://img.example.com/2.jpg\n3,Bag,https://img.example.com/1.jpg\n"
)


@pytest.fixture
def shop(alice: User) -> Client:
    return program(alice)


@pytest.fixture
def draft(alice: User) -> Job:
    return products.accept(alice, SimpleUploadedFile("spring.csv", CSV), None)


def rows(shop: Client, job: Job, **asked: Any) -> list[Any]:
    answer = shop.get(f"/api/v1/jobs/{job.pk}/rows", asked)
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def change(shop: Client, row: Any, body: Any) -> Any:
    return shop.patch(f"/api/v1/rows/{row['row_id']}", json.dumps(body), "application/json")


def test_rows_come_in_the_order_of_the_file_with_what_is_wrong(shop: Client, draft: Job) -> None:
    shoe, hat, bag = rows(shop, draft)
    assert shoe == {
        "row_id": draft.rows.get(serial="1").pk, "job_id": draft.pk, "line": 2, "serial": "1", "name": "Shoe",
        "image_urls": ["https://img.example.com/1.jpg"], "state": "queued", "problem": None, "left_out": False,
        "mended": False, "carried": False, "upload_ids": [],
    }  # fmt: skip
    assert (hat["state"], hat["problem"]["code"], hat["problem"]["column"]) == ("failed", "invalid_image_url", "urls")
    assert rows(shop, draft, state="failed") == [hat]
    assert rows(shop, draft, state="queued") == [shoe, bag]
    assert shop.get(f"/api/v1/jobs/{draft.pk}/rows", {"state": "new"}).status_code == 422


def test_rows_name_their_photos(shop: Client, alice: User) -> None:
    job = make.products(alice, [["https://img.example.com/b.jpg", "https://img.example.com/a.jpg"]])
    photos = {upload.url[-5]: upload.pk for upload in job.uploads.all()}
    assert rows(shop, job)[0]["upload_ids"] == [photos["b"], photos["a"]]


def test_a_page_of_rows_takes_as_many_queries_for_many_as_for_few(shop: Client, alice: User) -> None:
    few, many = make.products(alice, 2), make.products(alice, 60, photos=2)
    counts = []
    for job in (few, few, many):
        with CaptureQueriesContext(connection) as captured:
            rows(shop, job, limit=200)
        counts.append(len(captured))
    assert counts[1] == counts[2]
    first = shop.get(f"/api/v1/jobs/{many.pk}/rows", {"limit": 40}).json()
    second = shop.get(first["next"]).json()
    assert [one["line"] for one in first["results"] + second["results"]] == list(range(2, 62))


def test_a_row_is_mended_left_out_and_taken_back(shop: Client, draft: Job) -> None:
    hat = rows(shop, draft)[1]
    mended = change(shop, hat, {"column": "urls", "text": "https://img.example.com/2.jpg"}).json()
    assert (mended["problem"], mended["mended"], mended["image_urls"]) == (
        None,
        True,
        ["https://img.example.com/2.jpg"],
    )
    assert change(shop, hat, {"left_out": True}).json()["state"] == "cancelled"
    assert change(shop, hat, {"left_out": False}).json()["left_out"] is False
    assert shop.post(f"/api/v1/rows/{hat['row_id']}/undo").json() == hat


@pytest.mark.parametrize(
    "body",
    [
        {}, {"column": "urls"}, {"text": "a"}, {"column": "price", "text": "a"}, {"left_out": "often"},
        {"column": "urls", "text": "a", "left_out": True}, {"left_out": None}, {"column": "urls", "text": "a" * 40_000},
        {"column": "urls", "text": "a\0b"}, {"sparkle": 1},
    ],
)  # fmt: skip
def test_a_change_that_is_none_is_refused(shop: Client, draft: Job, body: Any) -> None:
    before = rows(shop, draft)
    answer = change(shop, before[1], body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert rows(shop, draft) == before


def test_after_start_a_row_is_mended_but_not_left_out(shop: Client, draft: Job) -> None:
    products.start(draft)
    hat = rows(shop, draft)[1]
    assert change(shop, hat, {"left_out": True}).json()["code"] == "csv_started"
    assert shop.post(f"/api/v1/rows/{hat['row_id']}/undo").status_code == 409
    mended = change(shop, hat, {"column": "urls", "text": "https://img.example.com/2.jpg"}).json()
    assert (mended["state"], len(mended["upload_ids"])) == ("queued", 1)


def test_the_photos_of_a_row_are_retried(shop: Client, alice: User) -> None:
    job = make.products(alice, 2)
    job.uploads.update(status="failed")
    path = f"/api/v1/rows/{rows(shop, job)[0]['row_id']}/retry"
    assert shop.post(path).json() == {"retried": 1}
    again = shop.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_do")
    assert sorted(job.uploads.values_list("status", flat=True)) == ["failed", "new"]


def test_preflight_tells_what_start_would_do(shop: Client, draft: Job) -> None:
    told = shop.get(f"/api/v1/jobs/{draft.pk}/preflight").json()
    seconds = told.pop("seconds")
    assert told == {
        "rows": 3, "ready": 2, "problems": 1, "carried": 0, "left_out": 0, "skipped": 0, "photos": 1, "repeated": 1,
        "saved": 1, "hosts": 1,
    }  # fmt: skip
    assert 0 < seconds["least"] < seconds["most"]


def test_somebody_elses_row_and_one_that_is_none_are_404(draft: Job, bob: User) -> None:
    stranger = program(bob)
    for number in (draft.rows.get(serial="1").pk, 0, 10**30, "one"):
        assert change(stranger, {"row_id": number}, {"left_out": True}).status_code == 404
        for act in ("undo", "retry"):
            assert stranger.post(f"/api/v1/rows/{number}/{act}").status_code == 404
    assert not draft.rows.filter(is_left_out=True).exists()
