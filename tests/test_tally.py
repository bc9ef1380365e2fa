"""What is counted of a person's photos, in the transaction that makes it true, and that it adds up."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from processing import ledger, storage, tally, variants
from processing.errors import ClaimLost, PhotoError
from processing.intake import photos, products
from processing.models import Job, Status, Tally, Upload
from processing.statistics import FIELDS
from tests import make
from tests.intake.packing import many, sent
from tests.intake.test_products import A, B, draft, row_of

pytestmark = pytest.mark.django_db

FATAL = PhotoError("no_face_found")


def counted(owner: User) -> dict[str, Any]:
    """What is not 0, over all days."""
    rows = Tally.objects.filter(owner=owner)
    sums = {name: sum(getattr(row, name) for row in rows) for name in FIELDS}
    return {name: number for name, number in sums.items() if number}


def claimed(upload: Upload) -> ledger.Claim:
    claim = ledger.claim(upload.pk)
    assert claim
    return claim


def finish(upload: Upload, **sizes: int) -> None:
    """Complete it with files of so many bytes."""
    claim = claimed(upload)
    files = [
        variants.File(name.replace("_", "-"), storage.write(f"{upload.pk}-{name}", [bytes(size)]), "png", 1, 1)
        for name, size in sizes.items()
    ]
    ledger.finish(claim, files, {})


def test_the_bytes_of_a_photo_are_those_that_people_download(alice: User) -> None:
    upload = make.upload(alice, source_bytes=1000)
    finish(upload, result=100, result_2=50, web=30, thumbnail=7, preview=7, thumbnail_2=7)
    assert counted(alice) == {"completed": 1, "attempts": 1, "bytes_before": 1000, "bytes_after": 180}


def test_a_photo_that_failed_and_was_retried_is_counted_both_ways(alice: User) -> None:
    upload = make.upload(alice, source_bytes=1000)
    ledger.fail(claimed(upload), FATAL)
    assert counted(alice) == {"failed": 1, "attempts": 1}
    ledger.retry(Upload.objects.all())
    finish(upload, result=100)
    assert counted(alice) == {"completed": 1, "failed": 1, "attempts": 2, "bytes_before": 1000, "bytes_after": 100}


def test_tries_that_go_on_are_counted_when_the_photo_ends(alice: User) -> None:
    upload = make.upload(alice)
    ledger.fail(claimed(upload), PhotoError("storage_unavailable"))
    assert not Tally.objects.exists()
    Upload.objects.update(not_before=None)
    ledger.fail(claimed(upload), FATAL)
    assert counted(alice) == {"failed": 1, "attempts": 2}


@pytest.mark.parametrize("fails", [False, True])
def test_a_redo_adds_its_tries_alone(alice: User, fails: bool) -> None:
    upload = make.upload(alice, source_bytes=1000)
    finish(upload, result=100)
    ledger.redo(Upload.objects.all(), make.PLAIN)
    if fails:
        ledger.fail(claimed(upload), FATAL)
    else:
        finish(upload, result=900)
    assert counted(alice) == {"completed": 1, "attempts": 2, "bytes_before": 1000, "bytes_after": 100}


def test_a_photo_that_ended_its_worker_too_often_is_counted(alice: User, settings: Any) -> None:
    upload = make.upload(alice)
    claimed(upload)
    Upload.objects.update(attempts=settings.ATTEMPTS, lease_until=timezone.now() - timedelta(seconds=1))
    ledger.sweep()
    assert counted(alice) == {"failed": 1, "attempts": settings.ATTEMPTS}


def test_what_was_cancelled_or_came_too_late_is_not_counted(alice: User) -> None:
    claim = claimed(make.upload(alice))
    ledger.cancel(Upload.objects.all())
    with pytest.raises(ClaimLost):
        ledger.finish(claim, [], {})
    ledger.fail(claim, FATAL)
    assert not Tally.objects.exists()


def test_what_is_sent_is_counted_and_a_job_once(alice: User, bob: User) -> None:
    job = photos.accept(
        alice, [sent("cat.jpg"), sent("b.zip", many(3)), sent("c.txt", b"no")], make.PLAIN, open=True
    ).job
    assert job
    assert counted(alice) == {"jobs": 1, "photos": 4}
    photos.add(job, [sent("dog.jpg")])
    assert counted(alice) == {"jobs": 1, "photos": 5}
    assert not Tally.objects.filter(owner=bob).exists()


def test_an_open_job_counts_with_its_first_photo(alice: User) -> None:
    job = photos.accept(alice, [sent("c.txt", b"no")], make.PLAIN, open=True).job
    assert job
    assert not Tally.objects.exists()
    photos.add(job, [sent("dog.jpg")])
    assert counted(alice) == {"jobs": 1, "photos": 1}


def test_a_product_csv_counts_when_it_is_started(alice: User) -> None:
    job = draft(alice, f"1,Chair,{A}", f"2,Sofa,{A}")
    assert not Tally.objects.exists()
    products.start(job)
    assert counted(alice) == {"jobs": 1, "photos": 1}
    products.mend(row_of(job, 3), "urls", B)
    assert counted(alice) == {"jobs": 1, "photos": 2}
    assert Upload.objects.count() == 2


def test_what_is_undone_is_not_counted(alice: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        tally.add(alice.pk, photos=1)
        raise RuntimeError
    assert not Tally.objects.exists()


def test_a_day_is_one_row_and_ends_at_midnight_here(alice: User) -> None:
    for zone in ("Etc/GMT+12", "Etc/GMT-14", "Etc/GMT-14"):  # never the same day
        with timezone.override(zone):
            tally.add(alice.pk, photos=1)
    assert list(Tally.objects.order_by("day").values_list("photos", flat=True)) == [1, 2]


def test_what_is_counted_at_midnight_is_counted_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    days = iter([date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)])
    monkeypatch.setattr("processing.tally.timezone.localdate", lambda: next(days))
    tally.add(alice.pk, photos=1)
    assert list(Tally.objects.values_list("day", "photos")) == [(date(2026, 3, 1), 1)]


def test_what_was_counted_outlives_the_job(alice: User) -> None:
    upload = make.upload(alice)
    make.finish(upload)
    Job.objects.all().delete()
    assert counted(alice)["completed"] == 1
    assert Upload.objects.filter(status=Status.COMPLETED).count() == 0
