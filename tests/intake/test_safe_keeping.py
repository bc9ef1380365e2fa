"""A file comes in wholly or leaves nothing behind, whatever fails meanwhile."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from processing import announce, housekeeping, ledger, storage
from processing.errors import PhotoError
from processing.intake import photos
from processing.models import Job, Upload
from processing.recipe import Recipe
from processing.storage import disk
from tests.intake.packing import PHOTO, files_on_disk, sent
from tests.make import PLAIN

pytestmark = pytest.mark.django_db


def test_a_full_disk_refuses_before_anything_is_written(alice: User, settings: Settings) -> None:
    settings.FREE_SPACE_FLOOR = 10**18
    with pytest.raises(PhotoError, match="storage_full"):
        photos.accept(alice, [sent("cat.jpg")], PLAIN)
    assert not Job.objects.exists()


def test_a_model_that_is_not_installed_refuses_at_the_door(
    alice: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(PhotoError, match="model_not_installed"):
        photos.accept(alice, [sent("cat.jpg")], Recipe(model="u2netp"))


def test_a_failing_database_leaves_no_file_and_no_job(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_on_disk()

    def fail(uploads: object) -> None:
        assert len(files_on_disk() - before) == 2
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(ledger, "create", fail)
    with pytest.raises(RuntimeError):
        photos.accept(alice, [sent("a.jpg"), sent("b.jpg")], PLAIN)
    assert files_on_disk() == before
    assert not Job.objects.exists()


def test_a_failing_disk_leaves_no_file_and_no_job(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    before, name = files_on_disk(), disk.Disk._name

    def fail_second(store: disk.Disk, part: storage.Part, key: str) -> None:
        if len(files_on_disk() - before) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        name(store, part, key)

    monkeypatch.setattr(disk.Disk, "_name", fail_second)
    with pytest.raises(PhotoError, match="storage_full"):
        photos.accept(alice, [sent("a.jpg"), sent("b.jpg")], PLAIN)
    assert files_on_disk() == before
    assert not Job.objects.exists()


@pytest.mark.parametrize(("hours", "is_kept"), [(23, True), (25, False)])
def test_a_job_in_the_making_lives_as_long_as_its_request_may_send(
    alice: User, hours: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = timezone.now() + timedelta(hours=hours)
    with photos.hidden_job(alice, "Spring", PLAIN):
        monkeypatch.setattr(timezone, "now", lambda: later)
        housekeeping.purge_deleted_jobs()
        assert Job.objects.exists() == is_kept


@pytest.mark.django_db(transaction=True)
def test_a_failure_after_the_commit_costs_no_photo(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("nobody could be told")

    monkeypatch.setattr(announce, "_publish", fail)
    with pytest.raises(RuntimeError):
        photos.accept(alice, [sent("a.jpg")], PLAIN, key="once")
    upload = Upload.objects.get()
    assert storage.read(upload.source) == PHOTO
    assert photos.accept(alice, [sent("a.jpg")], PLAIN, key="once").job == upload.job
