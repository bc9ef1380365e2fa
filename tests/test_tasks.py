"""The whole way of one photo, through a real RQ worker where it matters."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from PIL import Image
from skimage import data

from processing import catalogue, ledger, queue, storage, tasks, variants
from processing.models import Status, Upload, Variant
from processing.pipeline import run as pipeline
from processing.recipe import Recipe
from processing.storage import disk
from tests import make


def again(upload: Upload) -> Upload:
    return Upload.objects.get(pk=upload.pk)


def test_a_photo_is_worked_on_and_its_files_are_kept(alice: User) -> None:
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    assert again(upload).status == Status.COMPLETED
    made = {variant.name: variant for variant in upload.variants.filter(status="completed")}
    assert set(made) == {"result", "thumbnail", "preview", "source-preview"}
    assert len(storage.read(made["result"].key)) == made["result"].bytes > 0
    assert {name: one.key.split("/")[2] for name, one in made.items()} == {
        "result": "results", "thumbnail": "variants", "preview": "variants", "source-preview": "variants",
    }  # fmt: skip
    assert again(upload).facts["timings"]


def test_the_original_stays_as_it_came(alice: User) -> None:
    upload = make.upload(alice)
    before = storage.read(upload.source)
    tasks.process_upload(upload.pk)
    assert storage.read(again(upload).source) == before


def test_a_doubled_nudge_changes_nothing(alice: User) -> None:
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    first = again(upload)
    tasks.process_upload(upload.pk)
    assert (again(upload).changed_at, again(upload).attempts) == (first.changed_at, 1)


def test_a_nudge_about_nothing_does_nothing(db: None) -> None:
    tasks.process_upload(4711)
    tasks.make_thumbnail(4711)
    tasks.unpack_archive(4711)


def test_a_vanished_original_fails_with_its_reason(alice: User) -> None:
    upload = make.upload(alice)
    storage.delete([upload.source])
    tasks.process_upload(upload.pk)
    assert (again(upload).status, again(upload).error_code) == (Status.FAILED, "original_missing")


def test_an_unforeseen_error_is_ours_and_keeps_its_traceback(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("in a step")

    monkeypatch.setattr(pipeline, "run", broken)
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    assert (again(upload).status, again(upload).error_code) == (Status.FAILED, "internal_error")
    assert "in a step" in again(upload).error_detail


def test_a_database_that_fails_for_a_moment_fails_no_photo(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*args: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(ledger, "finish", locked)
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    assert again(upload).status == Status.PROCESSING  # until its lease is over
    assert not again(upload).error_code


@pytest.mark.parametrize(
    ("trouble", "code"), [(OSError(5, "EIO"), "storage_unavailable"), (MemoryError(), "out_of_memory")]
)
def test_a_disk_or_memory_that_fails_for_a_moment_is_tried_again(
    alice: User, monkeypatch: pytest.MonkeyPatch, trouble: BaseException, code: str
) -> None:
    def broken(self: Any, *args: Any) -> None:
        raise trouble

    upload = make.upload(alice)
    monkeypatch.setattr("pathlib.Path.open", broken)
    tasks.process_upload(upload.pk)
    assert (again(upload).status, again(upload).error_code) == (Status.QUEUED, code)


def test_a_thumbnail_is_tried_as_often_as_a_photo(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(tasks, "small", broken)
    variant = make.upload(alice).variants.get()
    for _ in range(5):
        tasks.make_thumbnail(variant.pk)
        Variant.objects.update(not_before=None)
    variants.give_up()
    variant.refresh_from_db()
    assert (variant.status, variant.attempts) == (Variant.Status.FAILED, 3)


def test_a_photo_cancelled_in_the_middle_leaves_no_files(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipeline.run

    def cancelling(*args: Any, **options: Any) -> Any:
        outcome = real(*args, **options)
        ledger.cancel(Upload.objects.all())
        return outcome

    monkeypatch.setattr(pipeline, "run", cancelling)
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    assert again(upload).status == Status.CANCELLED
    assert not list(disk.path(f"{alice.pk}/{upload.job_id}/results").glob("*"))


def test_a_photo_over_the_soft_time_limit_is_tried_again_later(alice: User, settings: Any) -> None:
    settings.SOFT_TIME_LIMIT = -1
    upload = make.upload(alice)
    tasks.process_upload(upload.pk)
    assert (again(upload).status, again(upload).error_code) == (Status.QUEUED, "timeout")
    assert again(upload).not_before


def test_a_recipe_of_its_own_counts(alice: User) -> None:
    upload = make.upload(alice, status="completed")
    ledger.redo(Upload.objects.filter(pk=upload.pk), Recipe(remove_bg=False, format="webp"))
    tasks.process_upload(upload.pk)
    assert upload.variants.get(name="result").format == "webp"


def test_a_thumbnail_shows_the_original_before_the_work_begins(alice: User) -> None:
    upload = make.upload(alice)
    variant = upload.variants.get()
    tasks.make_thumbnail(variant.pk)
    variant.refresh_from_db()
    assert (variant.name, variant.status, variant.format) == ("source-thumbnail", Variant.Status.COMPLETED, "webp")


def test_a_thumbnail_that_cannot_be_made_fails_alone(alice: User) -> None:
    upload = make.upload(alice)
    storage.delete([upload.source])
    tasks.make_thumbnail(upload.variants.get().pk)
    assert upload.variants.get().status == Variant.Status.FAILED
    assert again(upload).status == Status.QUEUED


def test_a_thumbnail_is_made_by_one_worker_at_a_time(alice: User) -> None:
    variant = make.upload(alice).variants.get()
    assert variants.claim(variant.pk)
    assert variants.claim(variant.pk) is None


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_takes_nudges_and_stops_when_there_are_none(alice: User) -> None:
    from processing.worker import work

    uploads = list(make.job(alice, 3).uploads.all())
    queue.connection().flushdb()
    queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, [upload.pk for upload in uploads] * 2)
    work(queue.PHOTOS, burst=True)
    assert set(Upload.objects.values_list("status", "attempts")) == {(Status.COMPLETED, 1)}
    assert not list(queue.connection().scan_iter("rq:job:*"))


@pytest.mark.weights
def test_a_cut_out_has_alpha(alice: User) -> None:
    assert catalogue.MODELS["u2netp"].installed
    upload = make.job(alice, recipe=Recipe(model="u2netp")).uploads.get()
    photo = io.BytesIO()
    Image.fromarray(data.coffee()).save(photo, "JPEG")
    storage.write(upload.source, [photo.getvalue()])
    tasks.process_upload(upload.pk)
    assert (again(upload).status, again(upload).facts["model"]) == (Status.COMPLETED, "u2netp")
    assert upload.variants.get(name="result").format == "png"
