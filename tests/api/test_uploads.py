"""Photos one by one, as programs send, watch, fetch and judge them."""

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processing import ledger, storage
from processing.models import Job, Status, Upload
from tests import make
from tests.api.answers import content
from tests.api.programs import program
from tests.bucket import Bucket
from tests.conftest import picture

UPLOADS = "/api/v1/uploads"
PLAIN = {"remove_bg": "false"}


@pytest.fixture
def asking(alice: User) -> Client:
    return program(alice)


def photo(name: str = "shoe.jpg", data: bytes = b"") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or picture())


def told(client: Client, upload: Upload) -> dict[str, Any]:
    return client.get(f"{UPLOADS}/{upload.pk}").json()


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"{UPLOADS}/{path}", body, content_type="application/json")


def flagged(owner: User) -> Upload:
    upload = make.finish(make.upload(owner))
    Upload.objects.filter(pk=upload.pk).update(needs_review=True, review_reason="Soft edges")
    return upload


# ---- one ------------------------------------------------------------------------------------------------------------


def test_a_queued_photo_has_its_original_and_no_result(asking: Client, alice: User) -> None:
    upload = make.upload(alice)
    found = told(asking, upload)
    assert found["id"] == found["upload_id"] == found["task_id"] == upload.pk
    assert (found["status"], found["progress"], found["result"], found["error"]) == ("queued", 0, None, None)
    assert found["source"] == {
        "url": f"{settings.URL}{UPLOADS}/{upload.pk}/original", "format": "jpeg", "width": 80, "height": 60,
        "bytes": upload.source_bytes, "sha256": upload.source_sha256,
    }  # fmt: skip


def test_progress_is_percent_of_the_steps(asking: Client, alice: User) -> None:
    upload = make.upload(alice)
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.step(claim, "Removing the background", 1, 4)
    found = told(asking, upload)
    assert (found["status"], found["step"], found["progress"]) == ("processing", "Removing the background", 25)


def test_a_completed_photo_has_its_files_and_what_made_them(asking: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    Upload.objects.filter(pk=upload.pk).update(facts={"model": "u2netp", "timings": {"read": 0.25, "background": 1.5}})
    found = told(asking, upload)
    assert (found["status"], found["progress"], found["model"], found["processing_time"]) == (
        "completed", 100, "u2netp", 1.75,
    )  # fmt: skip
    assert (found["result"]["width"], found["result"]["format"], list(found["variants"])) == (80, "jpg", ["thumbnail"])
    assert found["urls"] == {
        "self": f"{settings.URL}{UPLOADS}/{upload.pk}",
        "page": f"{settings.URL}/photos/{upload.pk}/",
    }


def test_a_failed_photo_says_why_and_what_helps(asking: Client, alice: User) -> None:
    upload = make.upload(alice, status=Status.FAILED, error_code="timeout", error_message="Too long.",
                         error_remedy="Try again.")  # fmt: skip
    assert told(asking, upload)["error"] == {
        "code": "timeout",
        "message": "Too long.",
        "remedy": "Try again.",
        "transient": True,
    }


def test_an_error_of_an_older_version_is_told_too(asking: Client, alice: User) -> None:
    upload = make.upload(alice, status=Status.FAILED, error_code="of_long_ago", error_message="So.")
    assert told(asking, upload)["error"]["transient"] is False


@pytest.mark.parametrize("path", ["0", "abc", str(10**30), "9" * 5000, "1/result", f"{10**30}/result", "%00"])
def test_what_is_not_there_is_404(path: str, asking: Client) -> None:
    answer = asking.get(f"{UPLOADS}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_strangers_photo_is_404_in_every_way(alice: User, bob: User) -> None:
    upload, stranger = make.finish(make.upload(alice)), program(bob)
    for path in ("", "/result", "/original"):
        assert stranger.get(f"{UPLOADS}/{upload.pk}{path}").status_code == 404
    for act in ("retry", "cancel", "redo", "accept", "keep-original", "undo"):
        assert post(stranger, f"{upload.pk}/{act}").status_code == 404
        assert post(stranger, act, upload_ids=[upload.pk]).status_code == 404
    assert stranger.get(UPLOADS).json()["results"] == []
    assert stranger.get(f"{UPLOADS}?job={upload.job_id}").status_code == 404


# ---- the list -------------------------------------------------------------------------------------------------------


def test_the_list_goes_on_where_it_ended_though_more_came(asking: Client, alice: User) -> None:
    first = [make.upload(alice).pk for _ in range(5)]
    page = asking.get(f"{UPLOADS}?limit=2").json()
    make.upload(alice)
    seen = [one["id"] for one in page["results"]]
    while page["next"]:
        page = asking.get(page["next"].removeprefix(settings.URL)).json()
        seen += [one["id"] for one in page["results"]]
    assert seen == first[::-1]


def test_a_jobs_photos_come_in_their_order(asking: Client, alice: User) -> None:
    job = make.job(alice, 3)
    make.upload(alice)
    found = asking.get(f"{UPLOADS}?job={job.pk}").json()["results"]
    assert [one["name"] for one in found] == ["photo-0.jpg", "photo-1.jpg", "photo-2.jpg"]


def test_the_list_can_be_of_one_state_or_of_what_changed_since(asking: Client, alice: User) -> None:
    old, done = make.upload(alice), make.finish(make.upload(alice))
    hour_ago = timezone.now() - timedelta(hours=1)
    Upload.objects.filter(pk=old.pk).update(changed_at=hour_ago - timedelta(hours=1))
    for query in ({"status": "completed"}, {"since": hour_ago.isoformat()}):
        assert [one["id"] for one in asking.get(UPLOADS, query).json()["results"]] == [done.pk]


@pytest.mark.parametrize("query", ["status=odd", "since=now", "job=x", "limit=0", "limit=201", "cursor=x"])
def test_odd_filters_are_told_with_their_place(query: str, asking: Client) -> None:
    answer = asking.get(f"{UPLOADS}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/query/{query.partition('=')[0]}")


def test_many_photos_cost_no_further_questions(asking: Client, alice: User) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert asking.get(UPLOADS).status_code == 200
        return len(asked)

    make.finish(make.upload(alice))
    questions()  # notes the token's use
    few = questions()
    for upload in make.job(alice, 5).uploads.all():
        make.finish(upload)
    assert questions() == few


def test_a_narrow_token_sees_what_was_made_with_it_alone(alice: User) -> None:
    make.upload(alice)
    narrow = program(alice, is_narrow=True)
    made = narrow.post(UPLOADS, {"file": photo(), **PLAIN}).json()
    assert [one["id"] for one in narrow.get(UPLOADS).json()["results"]] == [made["upload_id"]]


# ---- sent -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["file", "files", "image"])
def test_one_photo_becomes_a_job_of_its_own(field: str, asking: Client) -> None:
    answer = asking.post(UPLOADS, {field: photo(), "quality": "60", **PLAIN})
    upload = Upload.objects.get()
    assert (answer.status_code, answer["Location"]) == (202, f"{settings.URL}{UPLOADS}/{upload.pk}")
    assert answer.json() == {
        "upload_id": upload.pk,
        "task_id": upload.pk,
        "job_id": upload.job_id,
        "status": "queued",
        "message": "Queued.",
    }
    assert (upload.job.recipe["quality"], upload.job.recipe["remove_bg"]) == (60, False)


def test_an_address_is_fetched_later(asking: Client) -> None:
    answer = asking.post(
        UPLOADS, {"image_url": "https://example.com/shoe.jpg", "remove_bg": False}, content_type="application/json"
    )
    assert answer.status_code == 202
    assert Upload.objects.get().url == "https://example.com/shoe.jpg"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("shoe.jpg", picture())
    return out.getvalue()


@pytest.mark.parametrize(("sent", "status", "code"), [
    ({}, 422, "missing_source"),
    ({"file": photo(), "image_url": "https://example.com/a.jpg"}, 422, "multiple_sources"),
    ({"file": [photo(), photo()]}, 422, "invalid_request"),
    ({"file": photo(), "image": photo()}, 422, "invalid_request"),
    ({"file": photo("many.zip", zipped())}, 422, "invalid_request"),
    ({"file": photo("list.csv", b"S. No.,Product Name,Input Image Urls\n")}, 422, "invalid_file_type"),
    ({"file": photo("drawing.svg", b"<svg/>")}, 422, "invalid_file_type"),
    ({"file": photo(), "quality": "101"}, 422, "invalid_request"),
    ({"file": photo(), "colour": "red"}, 422, "invalid_request"),
    ({"file": photo(), "model": "bria-rmbg"}, 422, "model_not_installed"),
    ({"image_url": "http://127.0.0.1/a.jpg", **PLAIN}, 422, "fetch_blocked_address"),
    ({"image_url": "no address", **PLAIN}, 422, "invalid_image_url"),
    ({"s3_key": "shoe.jpg", **PLAIN}, 422, "invalid_s3_key"),
    ({"s3_key": "a\x00b", **PLAIN}, 422, "invalid_request"),
])  # fmt: skip
def test_what_cannot_be_taken_makes_nothing(sent: dict[str, Any], status: int, code: str, asking: Client) -> None:
    answer = asking.post(UPLOADS, sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Job.objects.exists()


def test_a_file_that_is_too_large_is_refused_as_any_other_is(asking: Client, settings: Any) -> None:
    settings.MAX_FILE_BYTES = 100
    answer = asking.post(UPLOADS, {"file": photo(), **PLAIN})
    told = answer.json()
    assert (answer.status_code, told["code"], told["received"], told["accepted"]) == (422, "file_too_large", 1, 0)
    assert [(one["name"], one["code"]) for one in told["refused"]] == [("shoe.jpg", "file_too_large")]


def test_who_sends_nothing_hears_what_to_send(asking: Client) -> None:
    assert asking.post(UPLOADS).json()["detail"] == "Nothing was sent. Send file or image_url or s3_key."


def test_the_same_key_creates_once(asking: Client) -> None:
    def send(**fields: Any) -> Any:
        return asking.post(UPLOADS, {"file": photo(), **PLAIN, **fields}, headers={"Idempotency-Key": "first"})

    first = send()
    assert (first.status_code, send().json()) == (202, first.json())
    assert Upload.objects.count() == 1
    assert send(quality="60").json()["code"] == "idempotency_key_reused"


# ---- files ----------------------------------------------------------------------------------------------------------


def test_a_result_comes_with_its_size_and_what_made_it(asking: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    Upload.objects.filter(pk=upload.pk).update(facts={"model": "u2netp", "timings": {"background": 1.5}})
    answer = asking.get(f"{UPLOADS}/{upload.pk}/result")
    said = {name: answer[name] for name in ("X-Width", "X-Height", "X-Model", "X-Processing-Time", "Content-Type")}
    assert said == {
        "X-Width": "80",
        "X-Height": "60",
        "X-Model": "u2netp",
        "X-Processing-Time": "1.5",
        "Content-Type": "image/jpeg",
    }
    assert content(answer) == picture(quality=20)


def test_every_address_that_is_told_leads_to_its_file(asking: Client, alice: User) -> None:
    found = told(asking, make.finish(make.upload(alice)))
    for file in (found["source"], found["result"], *found["variants"].values()):
        answer = asking.get(file["url"].removeprefix(settings.URL))
        assert (answer.status_code, len(content(answer))) == (200, file["bytes"])
        assert (answer["X-Width"], answer["X-Height"]) == (str(file["width"]), str(file["height"]))


def test_a_page_is_led_to_a_file_in_a_bucket_and_a_token_is_not(
    asking: Client, as_user: Callable[[User], Client], alice: User, bucket: Bucket
) -> None:
    upload, page = make.finish(make.upload(alice)), as_user(alice)
    for file in (told(asking, upload)["source"], told(asking, upload)["result"]):
        path = file["url"].removeprefix(f"{settings.URL}{UPLOADS}")
        answer = asking.get(f"{UPLOADS}{path}")
        assert (answer.status_code, len(content(answer)), answer["X-Width"]) == (200, file["bytes"], "80")
        answer = page.get(f"{UPLOADS}{path}")
        assert (answer.status_code, answer["X-Width"], answer["X-Height"]) == (302, "80", "60")
        assert answer["Cache-Control"] == "private, no-cache"
        assert answer["Location"].startswith(bucket.endpoint)
        assert len(httpx.get(answer["Location"]).content) == file["bytes"]
    storage.delete([upload.source])
    lost = asking.get(f"{UPLOADS}/{upload.pk}/original")
    assert (lost.status_code, lost.json()["code"]) == (404, "original_missing")


def test_a_script_of_another_page_gets_the_file_itself(asking: Client, alice: User, bucket: Bucket) -> None:
    path = f"{UPLOADS}/{make.finish(make.upload(alice)).pk}/result"
    answer = asking.get(path, headers={"Origin": "https://shop.example.com"})
    assert (answer.status_code, content(answer)) == (200, picture(quality=20))
    assert "origin" in answer["Vary"].lower()


def test_what_is_known_already_is_not_sent_again_and_a_part_can_be_asked_for(asking: Client, alice: User) -> None:
    path = f"{UPLOADS}/{make.finish(make.upload(alice)).pk}/result"
    whole = asking.get(path)
    assert asking.get(path, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    part = asking.get(path, headers={"Range": "bytes=0-1"})
    assert (part.status_code, content(part)) == (206, content(whole)[:2])


def test_a_file_that_is_not_made_yet_is_404(asking: Client, alice: User) -> None:
    answer = asking.get(f"{UPLOADS}/{make.upload(alice).pk}/result")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such file: the photo is queued.")


def test_a_file_that_was_lost_is_404(asking: Client, alice: User) -> None:
    upload = make.upload(alice, source="originals/gone.jpg")
    answer = asking.get(f"{UPLOADS}/{upload.pk}/original")
    assert (answer.status_code, answer.json()["code"]) == (404, "original_missing")


def test_storage_that_does_not_answer_is_503(asking: Client, alice: User) -> None:
    upload = make.upload(alice, source="ü" * 200)  # more bytes than any file's name
    answer = asking.get(f"{UPLOADS}/{upload.pk}/original")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")


def test_its_headers_can_be_asked_for_alone(asking: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    for path in (f"uploads/{upload.pk}/result", f"jobs/{upload.job_id}/results.zip"):
        whole, answer = asking.get(f"/api/v1/{path}"), asking.head(f"/api/v1/{path}")
        size = len(content(whole))
        assert (answer.status_code, answer["Content-Type"]) == (200, whole["Content-Type"])
        assert answer["Content-Length"] == str(size)


# ---- what is done with them -----------------------------------------------------------------------------------------


def test_a_failed_photo_is_tried_again(asking: Client, alice: User) -> None:
    upload = make.upload(alice, status=Status.FAILED, error_code="timeout")
    answer = post(asking, f"{upload.pk}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (200, "queued", None)


def test_a_photo_that_waits_is_cancelled(asking: Client, alice: User) -> None:
    answer = post(asking, f"{make.upload(alice).pk}/cancel")
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("cancelled", "cancelled")


def test_a_redo_changes_what_is_sent_and_keeps_the_rest(asking: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    answer = post(asking, f"{upload.pk}/redo", quality=40)
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert answer.json()["recipe"] == {**upload.job.recipe, "quality": 40}
    assert answer.json()["result"]  # the old one stays until then


@pytest.mark.parametrize(("sent", "pointer"), [
    ({"quality": 0}, "#/quality"), ({"colour": "red"}, "#/colour"), ({"size": "10x10", "padding": "9"}, "#/size"),
])  # fmt: skip
def test_a_redo_that_does_not_fit_changes_nothing(
    sent: dict[str, Any], pointer: str, asking: Client, alice: User
) -> None:
    upload = make.finish(make.upload(alice))
    answer = post(asking, f"{upload.pk}/redo", **sent)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert told(asking, upload)["status"] == "completed"


def test_a_redo_may_not_go_together_with_what_stays(asking: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    post(asking, f"{upload.pk}/redo", size="20x20")
    answer = post(asking, f"{upload.pk}/redo", padding="10")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_flagged_result_is_accepted_and_that_is_taken_back(asking: Client, alice: User) -> None:
    upload = flagged(alice)
    accepted = post(asking, f"{upload.pk}/accept").json()
    assert (accepted["needs_review"], accepted["verdict"]) == (False, "accepted")
    undone = post(asking, f"{upload.pk}/undo").json()
    assert (undone["needs_review"], undone["verdict"]) == (True, None)


def test_the_original_is_kept_instead(asking: Client, alice: User) -> None:
    kept = post(asking, f"{flagged(alice).pk}/keep-original").json()
    assert (kept["status"], kept["verdict"], kept["recipe"]["remove_bg"]) == ("queued", "original", False)


@pytest.mark.parametrize("act", ["retry", "cancel", "accept", "undo"])
def test_what_changes_nothing_is_409(act: str, asking: Client, alice: User) -> None:
    answer = post(asking, f"{make.finish(make.upload(alice)).pk}/{act}")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")


def test_many_are_done_at_once(asking: Client, alice: User) -> None:
    ids = [make.finish(upload).pk for upload in make.job(alice, 3).uploads.all()]
    assert post(asking, "redo", upload_ids=ids, quality=40).json() == {"changed": 3}
    assert post(asking, "cancel", upload_ids=ids[:2]).json() == {"changed": 2}
    assert Upload.objects.filter(status=Status.QUEUED, recipe__quality=40).count() == 1


def test_one_that_is_a_strangers_refuses_them_all(asking: Client, alice: User, bob: User) -> None:
    own, other = make.upload(alice), make.upload(bob)
    assert post(asking, "cancel", upload_ids=[own.pk, other.pk]).status_code == 404
    assert not Upload.objects.filter(status=Status.CANCELLED).exists()


@pytest.mark.parametrize("ids", [[], [0], [10**30], ["x"], [1.5], None, list(range(1, 1002))])
def test_odd_ids_are_told(ids: Any, asking: Client) -> None:
    answer = post(asking, "retry", upload_ids=ids)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"][:12]) == (422, "#/upload_ids")


def test_who_may_only_read_changes_nothing(alice: User) -> None:
    upload = make.upload(alice)
    reader = program(alice, "read")
    for answer in (post(reader, f"{upload.pk}/cancel"), reader.post(UPLOADS, {"file": photo()})):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
