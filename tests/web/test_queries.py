"""A page asks as often of the database for 1,000 of what it shows as for 10."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.models import Job, ProductCsv, ProductRow, RowPhoto, Status, Upload, Variant
from tests import make

SignIn = Callable[[User], Client]
FEW, MANY = 10, 1_000


def filled(owner: User, count: int) -> list[str]:
    """So many photos in one job, so many jobs, so many rows of a CSV; the addresses of the pages that show them."""
    job, csv = _job(owner), _job(owner)
    photos = _photos([job] * count)
    _photos([_job(owner) for _ in range(count)])
    ProductCsv.objects.create(job=csv, name="spring.csv", key="none", bytes=1, header=make.HEADER, columns={})
    rows = ProductRow.objects.bulk_create(
        ProductRow(job=csv, position=at, line=at + 2, serial=str(at), name=f"Product {at}", urls=[]) for at in range(count)
    )
    RowPhoto.objects.bulk_create(
        RowPhoto(row=row, upload=upload, position=0) for row, upload in zip(rows, _photos([csv] * count), strict=True)
    )
    asked = {"since": (timezone.now() - timedelta(hours=1)).isoformat(), "shown": f"{photos[0].pk}-{photos[-1].pk}"}
    of_job = [reverse(name, args=[job.pk], query=asked) for name in ("job-photos", "job-changes", "job-row")]
    of_csv = [reverse(name, args=[csv.pk]) for name in ("product", "product-rows", "product-changes")]
    of_all = [reverse("jobs"), reverse("jobs", query={"state": "failed"}), reverse("products"), reverse("queue")]
    by_state = [
        reverse("job", args=[job.pk], query={"state": state}) for state in ("", "failed", "review", "completed")
    ]
    return [*by_state, *of_job, *of_csv, *of_all, reverse("photo", args=[photos[4].pk])]


def _job(owner: User) -> Job:
    return Job.objects.create(owner=owner, name="Spring", recipe=make.PLAIN.to_json())


def _photos(jobs: list[Job]) -> list[Upload]:
    """One of each of these jobs, in the four states by turns, with the pictures that pages show."""
    states = (Status.COMPLETED, Status.FAILED, Status.QUEUED, Status.CANCELLED)
    uploads = Upload.objects.bulk_create(
        Upload(
            job=job, position=at, name=f"photo-{at}.jpg", sent_name=f"photo-{at}.jpg", status=states[at % 4],
            needs_review=at % 8 == 0, error_code="no_face_found" * (at % 4 == 1), source="none", source_format="jpg",
            finished_at=timezone.now(),
        )
        for at, job in enumerate(jobs)
    )  # fmt: skip
    Variant.objects.bulk_create(
        Variant(upload=upload, name=name, status=Variant.Status.COMPLETED, format="webp", width=320, height=213)
        for upload in uploads for name in ("source-thumbnail", "thumbnail")
    )  # fmt: skip
    return uploads


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_every_page_takes_as_many_queries_for_1000_as_for_10(olga: User, as_user: SignIn) -> None:
    client = as_user(olga)
    few = filled(olga, FEW)
    for address in few:
        client.get(address)  # what is looked up once
    asked = [queries(client, address) for address in few]
    many = filled(olga, MANY)
    assert dict(zip(few, asked, strict=True)) == dict(zip(few, (queries(client, one) for one in many), strict=True))
