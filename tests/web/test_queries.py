"""A page asks no more often of the database where 1,000 photos and jobs lie behind it than where 10 do."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processing.models import Job, Status, Upload, Variant
from tests import make

SignIn = Callable[[User], Client]
FEW, MANY = 10, 1_000


def filled(owner: User, count: int) -> list[str]:
    """So many photos in one job, so many jobs of one; the addresses of the pages that they lie behind."""
    job, *others = Job.objects.bulk_create(
        Job(owner=owner, name="Spring", recipe=make.PLAIN.to_json()) for _ in range(1 + count)
    )
    photos = _photos([job] * count)
    _photos(others)
    asked = {"since": (timezone.now() - timedelta(hours=1)).isoformat(), "shown": f"{photos[0].pk}-{photos[-1].pk}"}
    of_job = [reverse(name, args=[job.pk], query=asked) for name in ("job-photos", "job-changes", "job-row")]
    of_all = [reverse("jobs"), reverse("jobs", query={"state": "failed"}), reverse("queue")]
    states = ("", "failed", "review", "completed", "queued")
    by_state = [reverse("job", args=[job.pk], query={"state": state}) for state in states]
    return [*by_state, *of_job, *of_all, reverse("photo", args=[photos[4].pk])]


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
    cache.clear()  # else what is kept for a moment is asked for now and then
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_no_page_takes_more_queries_over_1000_photos_and_jobs_than_over_10(olga: User, as_user: SignIn) -> None:
    client = as_user(olga)
    few = filled(olga, FEW)
    for address in few:
        client.get(address)  # what is looked up once
    asked = [queries(client, address) for address in few]
    now = {address: queries(client, address) for address in filled(olga, MANY)}
    assert [address for before, (address, after) in zip(asked, now.items(), strict=True) if after > before] == []
