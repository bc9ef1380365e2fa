"""What is kept no longer goes, and nothing else."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from processing import housekeeping, ledger, retention, storage
from processing.delivery import archive
from processing.models import Archive, Job, Status, Upload
from processing.recipe import Recipe
from processing.storage import disk
from tests import make
from tests.delivery.test_archive import gather
from tests.intake.packing import files_on_disk

Swept = list[tuple[str, int]]
Sweep = Callable[..., Swept]


def old_job(owner: User, photos: int = 1, *, days: float = 10) -> Job:
    """A job that ended so many days ago, its photos completed."""
    job = make.job(owner, photos)
    for upload in job.uploads.all():
        make.finish(upload)
    age(job, days)
    return job


def age(job: Job, days: float) -> None:
    then = timezone.now() - timedelta(days=days)
    Job.objects.filter(pk=job.pk).update(touched_at=then)
    job.uploads.exclude(finished_at=None).update(finished_at=then)


@pytest.fixture
def sweep(django_capture_on_commit_callbacks: Any) -> Sweep:
    """What goes, as (what, job); what is done after the commits is done."""

    def act(*, dry_run: bool = False) -> Swept:
        with django_capture_on_commit_callbacks(execute=True):
            return [(one.what, one.job.pk) for one in retention.sweep(dry_run=dry_run)]

    return act


def test_everything_is_kept_where_nothing_is_said(alice: User, sweep: Sweep) -> None:
    old_job(alice, days=5000)
    assert not retention.is_on()
    assert sweep() == []


def test_originals_go_by_age_and_the_photo_says_so(
    alice: User, settings: Settings, sweep: Sweep, as_user: Callable[[User], Client]
) -> None:
    settings.KEEP_ORIGINALS_DAYS = 7
    job, young = old_job(alice, 2), old_job(alice, days=6)
    keys = list(job.uploads.values_list("source", flat=True))
    assert sweep() == [("originals", job.pk)]
    assert not any(disk.path(key).exists() for key in keys)
    assert young.uploads.exclude(source="").exists()
    upload = job.uploads.order_by("pk")[0]
    assert (upload.status, upload.source) == (Status.COMPLETED, "")
    assert sweep() == []
    client = as_user(alice)
    answer = client.get(f"/photos/{upload.pk}/files/original")
    assert (answer.status_code, "The original was removed on " in answer.text) == (404, True)
    page = client.get(f"/photos/{upload.pk}/").text
    assert "<dt>Kept no longer</dt><dd>The original was removed on " in page
    assert 'id="redo"' not in page
    assert ledger.redo(job.uploads.all(), Recipe(**job.recipe)) == 0
    answer = client.get(f"/photos/{upload.pk}/files/result")
    assert answer.status_code == 200
    answer.close()


def test_an_original_that_equal_photos_share_goes_with_the_last_of_them(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    job = old_job(alice, 2)
    first, second = job.uploads.order_by("pk")
    Upload.objects.filter(pk=second.pk).update(source=first.source, source_sha256=first.source_sha256)
    for upload, is_left in ((first, True), (second, False)):
        assert disk.path(first.source).exists()
        with django_capture_on_commit_callbacks(execute=True):
            ledger.remove_originals(job.uploads.filter(pk=upload.pk))
        assert disk.path(first.source).exists() == is_left


def test_results_go_and_the_small_pictures_of_pages_stay(
    alice: User, settings: Settings, sweep: Sweep, as_user: Callable[[User], Client]
) -> None:
    settings.KEEP_RESULTS_DAYS = 7
    job = old_job(alice)
    upload = job.uploads.get()
    result = upload.variants.get(name="result").key
    assert sweep() == [("results", job.pk)]
    assert not disk.path(result).exists()
    assert "thumbnail" in upload.variants.values_list("name", flat=True)
    client = as_user(alice)
    answer = client.get(f"/photos/{upload.pk}/files/result")
    assert (answer.status_code, "The result was removed on " in answer.text) == (404, True)
    packed = async_to_sync(gather)(archive.zip_of(job, job.uploads.all()))
    assert b"The result was removed on " in packed
    make.finish(_redone(upload))
    assert Upload.objects.get(pk=upload.pk).results_removed_at is None
    assert sweep() == []


def _redone(upload: Upload) -> Upload:
    assert ledger.redo(Upload.objects.filter(pk=upload.pk), make.PLAIN) == 1
    return Upload.objects.get(pk=upload.pk)


def test_whole_jobs_go_as_people_delete_them(alice: User, settings: Settings, sweep: Sweep) -> None:
    settings.KEEP_JOBS_DAYS = settings.KEEP_ORIGINALS_DAYS = 7
    job = old_job(alice)
    assert sweep() == [("jobs", job.pk)]
    job.refresh_from_db()
    assert job.deleted_at
    Job.objects.update(deleted_at=timezone.now() - timedelta(minutes=settings.UNDO_MINUTES + 2))
    housekeeping.purge_deleted_jobs()
    assert not Job.objects.exists()
    assert not [place for place in files_on_disk() if f"/{alice.pk}/{job.pk}/" in str(place)]


def test_what_is_not_ended_or_to_be_looked_at_stays(alice: User, settings: Settings, sweep: Sweep) -> None:
    settings.KEEP_JOBS_DAYS = settings.KEEP_ORIGINALS_DAYS = settings.KEEP_RESULTS_DAYS = settings.KEEP_BYTES = 1
    running, review, open, draft, redone = (old_job(alice) for _ in range(5))
    make.add(running, 1)
    review.uploads.update(needs_review=True)
    Job.objects.filter(pk=open.pk).update(is_open=True)
    Job.objects.filter(pk=draft.pk).update(is_draft=True)
    redone.uploads.update(finished_at=timezone.now())
    assert [pk for what, pk in sweep() if what == "originals"] == []
    assert set(Job.objects.filter(deleted_at=None)) == {running, review, open, draft}
    assert retention.unreviewed() == 1


def test_by_space_the_jobs_that_ended_first_go_first(alice: User, settings: Settings, sweep: Sweep) -> None:
    jobs = [old_job(alice, days=days) for days in (1, 3, 2)]
    one = retention.stored(Job.objects.filter(pk=jobs[0].pk))
    assert one == sum(place.stat().st_size for place in files_on_disk() if f"/{alice.pk}/{jobs[0].pk}/" in str(place))
    settings.KEEP_BYTES = 2 * one + 10
    assert sweep(dry_run=True) == sweep() == [("jobs", jobs[1].pk)]
    settings.KEEP_BYTES = 10
    assert sweep() == [("jobs", jobs[2].pk), ("jobs", jobs[0].pk)]
    assert retention.total() == 0


def test_a_dry_run_tells_the_same_and_changes_nothing(alice: User, settings: Settings, sweep: Sweep) -> None:
    settings.KEEP_ORIGINALS_DAYS = settings.KEEP_RESULTS_DAYS = 7
    job = old_job(alice)
    before = files_on_disk()
    told = sweep(dry_run=True)
    assert told == [("originals", job.pk), ("results", job.pk)]
    assert files_on_disk() == before
    assert sweep() == told


def test_a_failed_photo_without_its_original_is_not_retried_unless_it_has_an_address(
    alice: User, settings: Settings, sweep: Sweep
) -> None:
    settings.KEEP_ORIGINALS_DAYS = 7
    job = make.job(alice, 2)
    job.uploads.update(status=Status.FAILED, finished_at=timezone.now())
    fetched = job.uploads.order_by("pk")[0]
    Upload.objects.filter(pk=fetched.pk).update(url="https://img.example.com/1.jpg", host="img.example.com")
    age(job, 10)
    sweep()
    assert ledger.retry(job.uploads.all()) == 1
    fetched.refresh_from_db()
    assert fetched.status == Status.NEW
    assert make.bring(fetched).source_removed_at is None


def test_a_zip_goes_with_the_originals(alice: User, settings: Settings, sweep: Sweep) -> None:
    settings.KEEP_ORIGINALS_DAYS = 7
    job = old_job(alice)
    stored = storage.write(storage.new_key(alice.pk, job.pk, "archives", "zip"), [b"PK"])
    Archive.objects.create(job=job, name="a.zip", key=stored.key, bytes=2)
    assert sweep() == [("originals", job.pk)]
    assert not disk.path(stored.key).exists()
    assert sweep() == []


def test_handfuls_are_small_and_end(
    alice: User, settings: Settings, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEEP_ORIGINALS_DAYS = 7
    job, seen = old_job(alice, 5), list[int]()
    real = ledger.remove_originals
    monkeypatch.setattr(retention, "HANDFUL", 2)
    monkeypatch.setattr(ledger, "remove_originals", lambda rows: seen.append(real(rows)))
    sweep()
    assert seen == [2, 2, 1]
    assert not job.uploads.exclude(source="").exists()


def test_a_large_deleted_job_is_removed_a_handful_at_a_time(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(housekeeping, "HANDFUL", 2)
    job = make.job(alice, 5, deleted_at=timezone.now() - timedelta(minutes=settings.UNDO_MINUTES + 2))
    left, before = [], timezone.now()
    while housekeeping._purge_some(job.pk, before):
        left.append(job.uploads.count())
    assert left == [3, 1, 0]
    assert not Job.objects.exists()


def test_the_tidying_takes_its_turn_once_in_a_while(alice: User, settings: Settings) -> None:
    settings.KEEP_JOBS_DAYS = 7
    first = old_job(alice)
    retention.tidy()
    second = old_job(alice)
    retention.tidy()
    assert [job.pk for job in Job.objects.filter(deleted_at=None)] == [second.pk]
    assert Job.objects.get(pk=first.pk).deleted_at


def test_what_a_killed_attempt_left_is_cleared_after_a_day(alice: User) -> None:
    job = make.job(alice)
    left, young = (storage.write(storage.new_key(alice.pk, job.pk, "results", "png"), [b"left"]) for _ in range(2))
    make_older(left.key, hours=25)
    make_older(job.uploads.get().source, hours=25)
    housekeeping.clear_leftovers()
    assert not disk.path(left.key).exists()
    assert disk.path(young.key).exists()
    assert disk.path(job.uploads.get().source).exists()


def make_older(key: str, *, hours: float) -> None:
    os.utime(disk.path(key), (time.time() - 3600 * hours,) * 2)
