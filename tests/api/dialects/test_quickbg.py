"""quickbg's documented requests, and its documented answers field by field."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from photoproc.addresses import storage_address
from processing import ledger
from processing.delivery import links
from processing.models import Status, Upload
from tests import make
from tests.api.answers import content
from tests.api.programs import program
from tests.bucket import Bucket
from tests.conftest import picture

FIELDS = {"task_id", "status", "progress", "result_url", "presigned_url", "processing_time"}


@pytest.fixture
def asking(alice: User) -> Client:
    return program(alice)


def task(client: Client, upload: Upload) -> dict[str, Any]:
    answer = client.get(f"/api/v1/tasks/{upload.pk}")
    assert answer.status_code == 200, answer.content
    assert answer.json().keys() == FIELDS
    assert answer.json()["task_id"] == upload.pk
    return answer.json()


def completed(owner: User) -> Upload:
    upload = make.finish(make.upload(owner))
    Upload.objects.filter(pk=upload.pk).update(facts={"timings": {"read": 0.5, "background": 1.0}})
    return upload


def test_a_photo_is_sent_watched_and_fetched(asking: Client) -> None:
    sent = asking.post("/api/v1/uploads", {"file": SimpleUploadedFile("shoe.jpg", picture()), "remove_bg": "false"})
    assert sent.status_code == 202
    assert {"upload_id", "task_id", "status", "message"} <= sent.json().keys()
    assert (sent.json()["upload_id"], sent.json()["status"]) == (sent.json()["task_id"], "queued")

    upload = Upload.objects.get(pk=sent.json()["task_id"])
    assert task(asking, upload) == {
        "task_id": upload.pk, "status": "queued", "progress": 0, "result_url": None, "presigned_url": None,
        "processing_time": None,
    }  # fmt: skip

    claim = ledger.claim(upload.pk)
    assert claim
    ledger.step(claim, "Writing", 3, 5)
    found = task(asking, upload)
    assert (found["status"], found["progress"], found["result_url"]) == ("processing", 60, None)
    ledger.give_back(claim)

    make.finish(upload)
    found = task(asking, upload)
    assert (found["status"], found["progress"]) == ("completed", 100)
    assert content(asking.get(found["result_url"].removeprefix(settings.URL))) == picture(quality=20)


def test_an_upload_holds_the_tasks_id(asking: Client, alice: User) -> None:
    upload = make.upload(alice)
    found = asking.get(f"/api/v1/uploads/{upload.pk}").json()
    assert (found["id"], found["upload_id"], found["task_id"]) == (upload.pk,) * 3


def test_the_time_is_that_of_the_result(asking: Client, alice: User) -> None:
    assert task(asking, completed(alice))["processing_time"] == 1.5


def test_the_signed_address_needs_no_token(asking: Client, alice: User, client: Client) -> None:
    url = task(asking, completed(alice))["presigned_url"]
    answer = client.get(url.removeprefix(settings.URL))
    assert (answer.status_code, answer["Content-Type"], content(answer)) == (200, "image/jpeg", picture(quality=20))
    assert url.endswith("/processed_photo-0.jpg")


def test_the_signed_address_is_the_buckets_own_where_people_fetch_from_it(
    asking: Client, alice: User, bucket: Bucket, settings: Any
) -> None:
    upload = completed(alice)
    url = task(asking, upload)["presigned_url"]
    got = httpx.get(url)
    assert url.startswith(f"{bucket.endpoint}/{bucket.name}/house/")
    assert (got.status_code, got.headers["Content-Type"], got.content) == (200, "image/jpeg", picture(quality=20))
    assert got.headers["Content-Disposition"] == 'inline; filename="processed_photo-0.jpg"'
    settings.STORAGE = storage_address(bucket.address(direct="false"))
    assert task(asking, upload)["presigned_url"].startswith(f"{settings.URL}/links/")


def test_the_signed_address_ends_after_an_hour_and_with_its_job(
    asking: Client, alice: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = completed(alice)
    path = task(asking, upload)["presigned_url"].removeprefix(settings.URL)
    assert client.head(path).status_code == 200
    assert client.head(path.replace("/links/", "/links/1")).status_code == 404
    upload.job.deleted_at = timezone.now()
    upload.job.save()
    assert client.head(path).status_code == 404
    upload.job.deleted_at = None
    upload.job.save()
    monkeypatch.setattr(links, "HOUR", timedelta(seconds=-1))
    assert client.head(path).status_code == 404


@pytest.mark.parametrize(("status", "word"), [
    (Status.NEW, "queued"), (Status.FAILED, "failed"), (Status.CANCELLED, "failed"),
])  # fmt: skip
def test_states_that_it_does_not_know_have_its_words(status: Status, word: str, asking: Client, alice: User) -> None:
    found = task(asking, make.upload(alice, status=status))
    assert (found["status"], found["result_url"], found["presigned_url"]) == (word, None, None)


@pytest.mark.parametrize("path", ["0", "abc", str(10**30)])
def test_a_task_that_is_not_there_is_404(path: str, asking: Client) -> None:
    answer = asking.get(f"/api/v1/tasks/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_strangers_task_is_404_and_nobodys_is_401(asking: Client, bob: User, client: Client) -> None:
    upload = make.upload(bob)
    assert asking.get(f"/api/v1/tasks/{upload.pk}").status_code == 404
    assert client.get(f"/api/v1/tasks/{upload.pk}").status_code == 401
