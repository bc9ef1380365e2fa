"""photo_processor's requests, as its clients send them, and what they are answered, field by field."""

import base64
import gc
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

from processing import catalogue, ledger, messages, progress, storage, variants
from processing.errors import PhotoError
from processing.models import Job, Upload
from tests import make
from tests.api.answers import content
from tests.api.programs import program
from tests.conftest import picture

UPLOAD = "/api/upload-and-process"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only u2netp, and what finds faces, are on this machine."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "weights"))
    catalogue.home().mkdir()
    catalogue.MODELS["u2netp"].path.touch()
    catalogue.FACES.path.touch()


@pytest.fixture
def client(alice: User) -> Client:
    """A program with a token of Alice's."""
    return program(alice)


def photo(name: str = "shoe.jpg", **values: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture(**values))


def zip_of(*names: str) -> SimpleUploadedFile:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, picture() if name.endswith("jpg") else "no photo")
    return SimpleUploadedFile("many.zip", out.getvalue())


def fail(upload: Upload, code: str = "no_face_found") -> None:
    claim = ledger.claim(upload.pk)
    assert claim
    ledger.fail(claim, PhotoError(code))


def status(client: Client, job: Job, query: str = "") -> Any:
    answer = client.get(f"/api/process-status/{job.pk}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


# ---- in -------------------------------------------------------------------------------------------------------------


def test_files_go_in_and_a_job_comes_out(client: Client, alice: User) -> None:
    answer = client.post(UPLOAD, {"files": [photo(), photo("hat.jpg")], "remove_bg": "true", "crop_face": "false"})
    job = Job.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "job_id": job.pk, "status": "pending", "message": "2 of 2 photos accepted.", "file_count": 2,
        "received": 2, "accepted": 2, "refused": [],
    }  # fmt: skip
    assert (job.owner, job.token and job.token.name) == (alice, "Shop")
    assert list(job.uploads.order_by("position").values_list("name", flat=True)) == ["shoe.jpg", "hat.jpg"]


def test_its_three_options_reach_the_recipe_and_others_are_ignored(client: Client) -> None:
    client.post(UPLOAD, {"files": photo(), "remove_bg": "false", "crop_face": "true", "user_id": "7", "quality": "1"})
    recipe = Job.objects.get().recipe
    assert (recipe["remove_bg"], recipe["crop_face"], recipe["quality"]) == (False, True, 85)


def test_without_options_the_background_is_removed_and_the_face_is_not_cropped(client: Client) -> None:
    client.post(UPLOAD, {"files": photo()})
    recipe = Job.objects.get().recipe
    assert (recipe["remove_bg"], recipe["crop_face"], recipe["model"]) == (True, False, "u2netp")


@pytest.mark.parametrize(
    ("asked", "used"),
    [("siluette", "silueta"), ("silueta", "silueta"), ("u2netp", "u2netp"), ("u2net", "silueta"), ("odd", "silueta"),
     ("bria-rmbg", "silueta")],
)  # fmt: skip
def test_a_model_that_is_not_here_is_replaced_by_the_best_and_named(client: Client, asked: str, used: str) -> None:
    catalogue.MODELS["silueta"].path.touch()
    catalogue.MODELS["bria-rmbg"].path.touch()  # here, but nobody turned it on
    answer = client.post(UPLOAD, {"files": photo(), "model": asked})
    assert (answer.status_code, answer["X-Model"], Job.objects.get().recipe["model"]) == (200, used, used)


def test_a_zip_counts_its_photos(client: Client) -> None:
    answer = client.post(UPLOAD, {"files": zip_of("a.jpg", "b.jpg", "notes.txt")}).json()
    assert (answer["file_count"], answer["received"], len(answer["refused"])) == (2, 3, 1)
    assert status(client, Job.objects.get())["metadata"]["file_count"] == 2


def test_one_bad_file_does_not_refuse_the_others(client: Client) -> None:
    odd = SimpleUploadedFile("odd.jpg", b"no photo")
    answer = client.post(UPLOAD, {"files": [photo(), odd]}).json()
    assert (answer["file_count"], answer["accepted"], answer["received"]) == (1, 1, 2)
    assert [(one["name"], one["code"]) for one in answer["refused"]] == [("odd.jpg", "invalid_file_type")]


def test_where_nothing_is_accepted_there_is_a_problem_and_no_job(client: Client) -> None:
    answer = client.post(UPLOAD, {"files": SimpleUploadedFile("odd.jpg", b"no photo")})
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["refused"][0]["name"] == "odd.jpg"
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("fields", "code"),
    [({}, "missing_source"), ({"remove_bg": "perhaps"}, "invalid_request"), ({"model": "a\0b"}, "invalid_request")],
)
def test_what_does_not_fit_is_a_problem(client: Client, fields: dict[str, Any], code: str) -> None:
    files = {} if code == "missing_source" else {"files": photo()}
    answer = client.post(UPLOAD, fields | files)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not Job.objects.exists()


def test_the_same_key_creates_once(client: Client) -> None:
    key = {"Idempotency-Key": "one"}
    first, again = (client.post(UPLOAD, {"files": photo()}, headers=key).json() for _ in range(2))
    assert first == again
    assert Job.objects.count() == 1


# ---- status ---------------------------------------------------------------------------------------------------------


def test_the_status_is_the_sockets_message_with_a_summary(client: Client, alice: User) -> None:
    job = make.job(alice, 4)
    first, second, *_ = job.uploads.order_by("pk")
    make.finish(first)
    fail(second)
    told = status(client, job)
    times = {name: told["metadata"].pop(name) for name in ("created_at", "updated_at")}
    assert told == {
        "type": "progress", "job_id": job.pk, "status": "processing",
        "progress": {"processed": 2, "total": 4, "percentage": 50},
        "metadata": {"job_type": "photos", "file_count": 4}, "error": None,
        "summary": {"total": 4, "successful": 1, "failed": 1, "success_rate": 25.0},
    }  # fmt: skip
    second.refresh_from_db()
    assert datetime.fromisoformat(times["created_at"]) == job.created_at
    assert datetime.fromisoformat(times["updated_at"]) == second.changed_at


def test_queued_is_pending(client: Client, alice: User) -> None:
    told = status(client, make.job(alice, 2))
    assert (told["status"], told["progress"]["percentage"], told["error"]) == ("pending", 0, None)


def test_a_csv_that_nobody_started_is_pending(client: Client, alice: User) -> None:
    told = status(client, make.products(alice, 2, is_draft=True))
    assert (told["status"], told["metadata"]["job_type"], told["summary"]["success_rate"]) == ("pending", "products", 0)


def test_cancelled_is_failed_and_says_so(client: Client, alice: User) -> None:
    job = make.job(alice, 3)
    first = job.uploads.earliest("pk")
    make.finish(first)
    ledger.cancel(job.uploads.exclude(pk=first.pk))
    told = status(client, job)
    assert (told["status"], told["error"]) == ("failed", "Cancelled")
    assert told["progress"] == {"processed": 3, "total": 3, "percentage": 100}
    assert told["summary"] == {"total": 3, "successful": 1, "failed": 2, "success_rate": 33.3}


def test_a_job_of_which_nothing_came_says_why(client: Client, alice: User) -> None:
    job = make.job(alice)
    fail(job.uploads.get())
    told = status(client, job)
    assert (told["status"], told["error"]) == ("failed", "No face was found.")


def test_completed_is_completed(client: Client, alice: User) -> None:
    job = make.job(alice)
    make.finish(job.uploads.get())
    told = status(client, job)
    assert (told["status"], told["error"], told["summary"]["success_rate"]) == ("completed", None, 100.0)


# ---- results --------------------------------------------------------------------------------------------------------


def test_results_come_inside_as_data_urls(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    first, second = job.uploads.order_by("pk")
    make.finish(first)
    fail(second)
    good, bad = status(client, job, "?include=results")["results"]
    kind, _, data = good.pop("data").partition(",")
    assert kind == "data:image/jpeg;base64"
    assert base64.b64decode(data) == picture(quality=20)
    assert good == {
        "upload_id": first.pk, "original_filename": "photo-0.jpg", "status": "completed", "error": None,
        "filename": "photo-0.jpg", "url": f"http://127.0.0.1:8000/api/v1/uploads/{first.pk}/result",
    }  # fmt: skip
    assert bad == {
        "upload_id": second.pk, "original_filename": "photo-1.jpg", "status": "failed", "error": "No face was found.",
        "filename": None, "data": None, "url": None,
    }  # fmt: skip


def test_results_that_are_too_much_for_one_answer_are_links(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make.job(alice, 2)
    for upload in job.uploads.all():
        make.finish(upload)
    whole = 2 * len(base64.b64encode(picture(quality=20)))
    for most, inside in ((whole, True), (whole - 1, False)):
        monkeypatch.setattr("processing.api.dialects.photo_processor.MOST_INSIDE", most)
        found = status(client, job, "?include=results")["results"]
        assert [one["data"] is not None for one in found] == [inside] * 2
        assert all(one["url"] for one in found)


def test_results_are_links_while_many_answers_hold_them_inside(client: Client, alice: User) -> None:
    job = make.job(alice)
    make.finish(job.uploads.get())

    def ask() -> Any:
        return client.get(f"/api/process-status/{job.pk}?include=results")

    def is_inside(answer: Any) -> bool:
        return answer.json()["results"][0]["data"] is not None

    gc.collect()  # answers of other tests hold places until then
    under_way = [ask() for _ in range(5)]
    assert [is_inside(answer) for answer in under_way] == [True] * 4 + [False]
    del under_way[0]
    gc.collect()
    assert is_inside(ask())


def test_each_face_of_a_photo_is_a_result(client: Client, alice: User) -> None:
    upload = make.upload(alice)
    finish_with(upload, "result", "result-10", "result-2", "thumbnail")
    names = [one["filename"] for one in status(client, upload.job, "?include=results")["results"]]
    assert names == ["photo-0.jpg", "photo-0-2.jpg", "photo-0-10.jpg"]


def test_a_result_whose_file_is_gone_is_a_link(client: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    storage.delete([upload.variants.get(name="result").key])
    assert status(client, upload.job, "?include=results")["results"][0]["data"] is None


def test_results_take_as_many_queries_for_ten_as_for_one(
    client: Client, alice: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    job = make.job(alice, 10)
    for upload in job.uploads.all():
        make.finish(upload)
    with django_assert_max_num_queries(9):
        status(client, job, "?include=results")


def finish_with(upload: Upload, *names: str) -> None:
    claim = ledger.claim(upload.pk)
    assert claim
    keys = [storage.new_key(claim.owner_id, claim.job_id, "results", "jpg") for _ in names]
    made = [storage.write(key, [picture()]) for key in keys]
    ledger.finish(claim, [variants.File(name, file, "jpg", 80, 60) for name, file in zip(names, made, strict=True)], {})


# ---- download -------------------------------------------------------------------------------------------------------


def test_one_result_is_downloaded_as_it_is(client: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    answer = client.get(f"/api/download-results/{upload.job_id}")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Disposition"] == 'attachment; filename="photo-0.jpg"'
    assert (answer["X-Width"], answer["X-Height"]) == ("80", "60")
    assert content(answer) == picture(quality=20)


def test_one_result_comes_as_a_zip_when_asked(client: Client, alice: User) -> None:
    upload = make.finish(make.upload(alice))
    assert names_in(client.get(f"/api/download-results/{upload.job_id}?format=zip")) == ["photo-0.jpg", "manifest.csv"]


def test_several_results_are_a_zip(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    for upload in job.uploads.all():
        make.finish(upload)
    assert names_in(client.get(f"/api/download-results/{job.pk}")) == ["photo-0.jpg", "photo-1.jpg", "manifest.csv"]


def test_the_first_result_of_a_job_under_way_is_a_zip_already(client: Client, alice: User) -> None:
    job = make.job(alice, 2)
    make.finish(job.uploads.earliest("pk"))
    assert names_in(client.get(f"/api/download-results/{job.pk}")) == ["photo-0.jpg", "manifest.csv"]


@pytest.mark.parametrize("query", ["", "?format=zip"])
def test_while_nothing_is_ready_it_is_a_problem(client: Client, alice: User, query: str) -> None:
    answer = client.get(f"/api/download-results/{make.job(alice).pk}{query}")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_do")


def names_in(answer: Any) -> list[str]:
    assert answer["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(content(answer))).namelist()


# ---- whose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/process-status/{}", "/api/download-results/{}"])
def test_a_strangers_job_and_one_that_cannot_be_are_404(alice: User, bob: User, path: str) -> None:
    job = make.finish(make.upload(alice)).job_id
    client = program(bob, "read")
    for number in (job, 10**30, 0, "a1b2"):
        answer = client.get(path.format(number))
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert Client().get(path.format(job)).status_code == 401


def test_a_narrow_token_sees_what_it_sent(alice: User) -> None:
    client = program(alice, is_narrow=True)
    own = client.post(UPLOAD, {"files": photo()}).json()["job_id"]
    assert client.get(f"/api/process-status/{own}").status_code == 200
    assert client.get(f"/api/process-status/{make.job(alice).pk}").status_code == 404


def test_reading_is_not_enough_to_send(alice: User) -> None:
    assert program(alice, "read").post(UPLOAD, {"files": photo()}).status_code == 403


def test_every_state_of_a_job_has_a_word() -> None:
    counts = dict.fromkeys(["new", "queued", "processing", "completed", "failed", "cancelled"], 0)
    states = {progress.Progress(counts | {state: 1}).status for state in counts} | {"draft"}
    assert states <= messages.WORDS.keys()
