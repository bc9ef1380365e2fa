"""The photos of a ZIP, brought one by one."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as house
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django.fixtures import Settings

from processing import ledger, storage
from processing.intake import archive, bring, photos
from processing.models import Archive, Status, Upload
from processing.storage import disk
from tests.conftest import picture
from tests.intake.packing import PHOTO, packed
from tests.make import PLAIN

pytestmark = pytest.mark.django_db
CUT = b"\xff\xd8\xff\xe0" + bytes(50)  # looks like a JPEG by its first bytes only


def zipped(owner: User, files: dict[str, bytes]) -> Archive:
    job = photos.accept(owner, [SimpleUploadedFile("spring.zip", packed(files))], PLAIN).job
    assert job
    return job.archives.get()


def originals() -> set[Path]:
    return set(house.FILES_DIR.glob("*/*/originals/*"))


def test_each_photo_of_a_zip_is_brought_and_queued(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO, "x/b.png": picture(90, 70, "PNG")})
    bring.bring_archive(kept.pk)
    a, b = kept.uploads.order_by("position")
    assert (a.status, a.attempts, a.claim, storage.read(a.source)) == (Status.QUEUED, 0, None, PHOTO)
    assert (b.source_format, b.source_width, b.source_height) == ("png", 90, 70)
    assert b.source.endswith(".png")
    assert b.variants.filter(name="source-thumbnail").exists()


def test_a_photo_that_cannot_be_read_fails_alone(alice: User, settings: Settings) -> None:
    kept = zipped(alice, {"cut.jpg": CUT, "small.png": picture(10, 10, "PNG"), "good.jpg": PHOTO})
    before = originals()
    bring.bring_archive(kept.pk)
    rows = kept.uploads.order_by("position").values_list("name", "status", "error_code")
    assert list(rows) == [
        ("cut.jpg", Status.FAILED, "failed_to_read_image"), ("small.png", Status.FAILED, "image_too_small"),
        ("good.jpg", Status.QUEUED, ""),
    ]  # fmt: skip
    assert len(originals() - before) == 1


def test_bringing_twice_changes_nothing(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})
    bring.bring_archive(kept.pk)
    before = originals()
    bring.bring_archive(kept.pk)
    assert originals() == before


def test_what_is_cancelled_meanwhile_leaves_no_file(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO, "b.jpg": PHOTO})
    before, take = originals(), storage.take

    def cancel_then_take(parts: dict[str, storage.Part]) -> list[storage.Stored]:
        ledger.cancel(Upload.objects.filter(name="a.jpg"))
        return take(parts)

    monkeypatch.setattr(storage, "take", cancel_then_take)
    bring.bring_archive(kept.pk)
    assert dict(kept.uploads.values_list("name", "status")) == {"a.jpg": Status.CANCELLED, "b.jpg": Status.QUEUED}
    assert len(originals() - before) == 1


def test_a_lost_zip_fails_its_photos_with_the_reason(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO, "b.jpg": PHOTO})
    storage.delete([kept.key])
    bring.bring_archive(kept.pk)
    assert set(kept.uploads.values_list("status", "error_code")) == {(Status.FAILED, "original_missing")}


def test_a_zip_that_is_gone_is_no_error() -> None:
    bring.bring_archive(12345)


def test_a_full_disk_is_tried_again_later(alice: User, settings: Settings) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})
    settings.FREE_SPACE_FLOOR = 10**18
    bring.bring_archive(kept.pk)
    upload = kept.uploads.get()
    assert (upload.status, upload.attempts, upload.error_code) == (Status.NEW, 1, "storage_full")
    assert upload.not_before
    settings.FREE_SPACE_FLOOR = 0
    Upload.objects.update(not_before=None)
    bring.bring_archive(kept.pk)
    assert kept.uploads.get().status == Status.QUEUED


def test_a_mistake_of_ours_fails_the_photo_with_its_traceback(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})

    def fail(*_: object) -> None:
        raise TypeError("a mistake")

    monkeypatch.setattr(archive, "read_entry", fail)
    bring.bring_archive(kept.pk)
    upload = kept.uploads.get()
    assert (upload.status, upload.error_code) == (Status.FAILED, "internal_error")
    assert "TypeError: a mistake" in upload.error_detail


def test_a_poison_entry_ends_its_worker_three_times_and_no_more(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})

    def die(*_: object) -> None:
        raise SystemExit  # as a killed process, it says nothing to the ledger

    monkeypatch.setattr(archive, "read_entry", die)
    for _ in range(3):
        with pytest.raises(SystemExit):
            bring.bring_archive(kept.pk)
        Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        ledger.sweep()
    assert kept.uploads.get().error_code == "worker_lost"
    bring.bring_archive(kept.pk)


def test_a_stopping_worker_leaves_the_rest_for_later(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO, "b.jpg": PHOTO})
    bring.bring_archive(kept.pk, stopping=lambda: kept.uploads.exclude(source="").exists())
    assert kept.uploads.filter(status=Status.NEW).count() == 1


# ---- the ZIPs themselves -------------------------------------------------------------------------------------------


def test_a_zip_is_deleted_when_its_photos_are_in_the_house(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})
    assert bring.clean_archives() == 0
    key = kept.key
    bring.bring_archive(kept.pk)
    assert bring.clean_archives() == 1
    kept.refresh_from_db()
    assert kept.key == ""
    assert not disk.path(key).exists()
    assert bring.clean_archives() == 0


def test_a_zip_is_kept_while_a_photo_of_it_could_be_retried(alice: User) -> None:
    kept = zipped(alice, {"a.jpg": PHOTO})
    ledger.cancel(kept.uploads.all())
    assert bring.clean_archives() == 0
    ledger.retry(kept.uploads.all())
    bring.bring_archive(kept.pk)
    assert kept.uploads.get().status == Status.QUEUED


def test_a_zip_is_not_kept_for_a_photo_that_can_never_be_read(alice: User) -> None:
    kept = zipped(alice, {"cut.jpg": CUT, "good.jpg": PHOTO})
    bring.bring_archive(kept.pk)
    assert bring.clean_archives() == 1
    ledger.retry(kept.uploads.filter(status=Status.FAILED))
    bring.bring_archive(kept.pk)
    assert kept.uploads.get(name="cut.jpg").error_code == "original_missing"


def test_the_zip_of_a_job_is_brought_past_a_bad_one_beside_it(alice: User) -> None:
    good, bad = zipped(alice, {"a.jpg": PHOTO}), zipped(alice, {"a.jpg": PHOTO})
    disk.path(bad.key).write_bytes(b"overwritten")
    for one in (bad, good):
        bring.bring_archive(one.pk)
    assert bad.uploads.get().error_code == "archive_unreadable"
    assert good.uploads.get().status == Status.QUEUED
