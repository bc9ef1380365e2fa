"""image_queue's requests, as its clients send them, and what they are answered, field by field."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from processing import breaker, bulk, catalogue, ledger, messages, variants
from processing.errors import PhotoError
from processing.models import Job, Status, Upload, Variant
from tests import make
from tests.api.programs import program
from tests.conftest import picture

UPLOAD = "/api/images/upload"
FIELDS = {"id", "processing_status", "thumbnail_status", "variant_status", "processing_error", "attempts", "started_at",
          "completed_at", "thumbnail_url", "variants"}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only u2netp is on this machine."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    catalogue.MODELS["u2netp"].path.touch()


@pytest.fixture
def client(alice: User) -> Client:
    return program(alice)


def photo(name: str = "shoe.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture())


def status(client: Client, upload: Upload) -> Any:
    answer = client.get(f"/api/images/{upload.pk}/processing-status")
    assert answer.status_code == 200, answer.content
    return answer.json()


def fail(upload: Upload, code: str = "no_face_found") -> Upload:
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError(code))
    upload.refresh_from_db()
    return upload


def address(upload: Upload, name: str) -> str:
    return f"http://127.0.0.1:8000/api/v1/uploads/{upload.pk}/{name}"


# ---- in -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["file", "image", "files"])
def test_a_photo_goes_in(client: Client, alice: User, field: str) -> None:
    answer = client.post(UPLOAD, {field: photo(), "album_id": "3"})
    upload = Upload.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "id": upload.pk, "processing_status": "pending", "thumbnail_status": "pending", "variant_status": "pending",
        "processing_error": None, "attempts": 0, "started_at": None, "completed_at": None, "thumbnail_url": None,
        "variants": {},
    }  # fmt: skip
    assert (upload.job.owner, upload.job.token and upload.job.token.name) == (alice, "Shop")


def test_the_same_key_creates_once(client: Client) -> None:
    first, again = (client.post(UPLOAD, {"file": photo()}, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json() == again.json()
    assert Job.objects.count() == 1


def zip_file() -> SimpleUploadedFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", picture())
    return SimpleUploadedFile("a.zip", out.getvalue())


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (list, "missing_source"),
        (lambda: [photo(), photo()], "invalid_request"),
        (lambda: [zip_file()], "invalid_request"),
        (lambda: [SimpleUploadedFile("odd.jpg", b"no photo")], "invalid_file_type"),
    ],
)
def test_what_is_not_one_photo_is_refused(client: Client, files: Callable[[], list[Any]], code: str) -> None:
    answer = client.post(UPLOAD, {"file": files()})
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not Job.objects.exists()


# ---- status ---------------------------------------------------------------------------------------------------------


def test_the_thumbnail_of_the_original_comes_first(client: Client, alice: User) -> None:
    upload = make.upload(alice)
    upload.variants.filter(name=variants.SOURCE_THUMBNAIL).update(status=Variant.Status.COMPLETED)
    claim = ledger.claim(upload.pk)
    assert claim
    upload.refresh_from_db()
    told = status(client, upload)
    assert datetime.fromisoformat(told.pop("started_at")) == upload.started_at
    assert told == {
        "id": upload.pk, "processing_status": "processing", "thumbnail_status": "completed",
        "variant_status": "processing", "processing_error": None, "attempts": 1, "completed_at": None,
        "thumbnail_url": address(upload, "source-thumbnail"), "variants": {},
    }  # fmt: skip


def test_a_completed_photo_has_all_its_files(client: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    told = status(client, upload)
    assert told.keys() == FIELDS
    assert [told[f"{name}_status"] for name in ("processing", "thumbnail", "variant")] == ["completed"] * 3
    assert datetime.fromisoformat(told["completed_at"]) == upload.finished_at
    assert told["thumbnail_url"] == address(upload, "thumbnail")
    assert told["variants"] == {name: address(upload, name) for name in ("result", "thumbnail")}
    answer = client.get(told["variants"]["result"].removeprefix("http://127.0.0.1:8000"))
    answer.close()
    assert answer["Content-Type"] == "image/jpeg"


def test_a_failed_photo_says_why(client: Client, alice: User) -> None:
    told = status(client, fail(make.upload(alice)))
    assert (told["processing_status"], told["variant_status"]) == ("failed", "failed")
    assert told["processing_error"] == "No face was found."


def test_a_thumbnail_that_cannot_be_made_has_failed(client: Client, alice: User) -> None:
    upload = make.upload(alice)
    upload.variants.update(status=Variant.Status.FAILED)
    told = status(client, upload)
    assert (told["processing_status"], told["thumbnail_status"], told["thumbnail_url"]) == ("pending", "failed", None)


def test_cancelled_is_failed(client: Client, alice: User) -> None:
    upload = make.upload(alice)
    ledger.cancel(upload.job.uploads.all())
    told = status(client, upload)
    assert (told["processing_status"], told["processing_error"]) == ("failed", "Cancelled.")


def test_one_that_is_still_at_its_address_is_pending(client: Client, alice: User) -> None:
    upload = make.products(alice, 1).uploads.get()
    told = status(client, upload)
    assert (told["processing_status"], told["thumbnail_status"]) == ("pending", "pending")


def test_every_state_of_a_photo_has_a_word() -> None:
    assert set(Status.values) <= messages.WORDS.keys()


# ---- again ----------------------------------------------------------------------------------------------------------


def test_a_failed_photo_is_retried(client: Client, alice: User) -> None:
    upload = fail(make.upload(alice))
    answer = client.post(f"/api/images/{upload.pk}/retry-processing")
    assert answer.status_code == 200
    assert answer.json().keys() == FIELDS
    assert (answer.json()["processing_status"], answer.json()["processing_error"]) == ("pending", None)
    upload.refresh_from_db()
    assert upload.status == "queued"


def test_what_has_not_failed_is_not_retried(client: Client, alice: User) -> None:
    answer = client.post(f"/api/images/{make.upload(alice).pk}/retry-processing")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")


# ---- the queue ------------------------------------------------------------------------------------------------------


def test_operators_see_the_queue(alice: User, bob: User, olga: User) -> None:
    make.finish(make.upload(alice))
    failed, cancelled, queued = fail(make.upload(alice)), make.upload(alice, status="cancelled"), make.upload(bob)
    busy = make.upload(bob)
    assert ledger.claim(busy.pk)
    told = program(olga, "queue").get("/api/admin/processing-queue").json()
    assert told.keys() == {"counts", "items", "breakers"}
    assert told["counts"] == {"pending": 1, "processing": 1, "completed": 1, "failed": 2}
    assert [one["id"] for one in told["items"]] == [busy.pk, queued.pk, failed.pk]
    assert cancelled.pk not in {one["id"] for one in told["items"]}
    assert all(one.keys() == FIELDS for one in told["items"])
    assert told["breakers"] == {}


def test_the_queue_takes_as_many_queries_for_ten_as_for_one(
    alice: User, olga: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = program(olga, "queue")
    make.job(alice, 10)
    with django_assert_max_num_queries(8):
        assert len(client.get("/api/admin/processing-queue").json()["items"]) == 10


def test_all_failed_photos_are_retried_and_no_cancelled_one(alice: User, bob: User, olga: User) -> None:
    for owner in (alice, bob):
        fail(make.upload(owner))
    cancelled = make.upload(alice, status="cancelled")
    client = program(olga, "queue")
    assert client.post("/api/admin/retry-all-failed").json() == {"retried": 2}
    assert client.post("/api/admin/retry-all-failed").json() == {"retried": 0}
    cancelled.refresh_from_db()
    assert cancelled.status == "cancelled"


def test_more_than_a_thousand_are_retried_in_the_background(
    alice: User, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "FEW", 1)
    for _ in range(2):
        fail(make.upload(alice))
    assert program(olga, "queue").post("/api/admin/retry-all-failed").json() == {"retried": 2}
    assert Upload.objects.filter(status="failed").count() == 2
    bulk.run(*bulk.due())
    assert Upload.objects.filter(status="queued").count() == 2


def test_it_tells_what_is_left_alone(alice: User, olga: User) -> None:
    make.upload(alice, waits_for=breaker.STORAGE)
    breaker.trip(breaker.STORAGE, olga)
    told = program(olga, "queue").get("/api/admin/processing-queue").json()["breakers"]
    assert told == {"storage": {"state": "open", "failures": 0, "parked": 1}}


def test_who_may_not_retry_retries_nothing(alice: User, otto: User) -> None:
    fail(make.upload(alice))
    answer = program(otto, "queue").post("/api/admin/retry-all-failed")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert Upload.objects.get().status == "failed"


# ---- whose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("get", "processing-status"), ("post", "retry-processing")])
def test_a_strangers_photo_and_one_that_cannot_be_are_404(alice: User, bob: User, method: str, path: str) -> None:
    upload, client = fail(make.upload(alice)), program(bob)
    for number in (upload.pk, 10**30, 0, "a1b2"):
        answer = getattr(client, method)(f"/api/images/{number}/{path}")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert getattr(Client(), method)(f"/api/images/{upload.pk}/{path}").status_code == 401
    upload.refresh_from_db()
    assert upload.status == "failed"


@pytest.mark.parametrize(("method", "path"), [("get", "processing-queue"), ("post", "retry-all-failed")])
def test_the_queue_is_for_operators(alice: User, olga: User, method: str, path: str) -> None:
    fail(make.upload(alice))
    for client in (program(alice), program(olga)):
        assert getattr(client, method)(f"/api/admin/{path}").status_code == 403
    assert getattr(Client(), method)(f"/api/admin/{path}").status_code == 401
    assert Upload.objects.get().status == "failed"


def test_a_narrow_token_sees_what_it_sent(alice: User) -> None:
    client = program(alice, is_narrow=True)
    own = client.post(UPLOAD, {"file": photo()}).json()["id"]
    assert client.get(f"/api/images/{own}/processing-status").status_code == 200
    assert client.get(f"/api/images/{make.upload(alice).pk}/processing-status").status_code == 404
