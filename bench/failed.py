"""P6 and P7: the queue page over 100,000 failed photos, and all of them retried at once."""

import time
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bench import answered
from bench.figure import Asked, Figure, p95
from bench.taken import take
from processing import bulk, query, storage
from processing.errors import KINDS
from processing.models import BulkAct, Job, Status, Upload
from processing.recipe import Recipe

FEW, MANY = 10, 100_000  # failed photos
LATE = 100  # that fail while the others are retried
OWNERS, JOBS = 4, 12
CODES = ("fetch_timeout", "failed_image_download", "no_face_found", "unknown_foreground", "failed_to_read_image",
         "out_of_memory", "worker_lost", "timeout")  # fmt: skip
FILTER = f"state:failed error:{CODES[0]}"


def measured(_: Asked) -> list[Figure]:
    storage.check()  # now, while no row names a file: none of these has one
    operator = User.objects.create_superuser("operator", is_staff=True)
    jobs = _jobs()
    with answered.signed_in(operator) as (client,):
        return [*_seen(client, jobs), *_retried(client, jobs)]


def _jobs() -> list[Job]:
    recipe = Recipe().to_json()
    owners = [User.objects.create_user(f"owner-{number}") for number in range(OWNERS)]
    return [
        Job.objects.create(owner=owners[number % OWNERS], name=f"Job {number}", recipe=recipe) for number in range(JOBS)
    ]


def _fail(jobs: list[Job], numbers: range) -> None:
    now = timezone.now()
    for first in range(numbers.start, numbers.stop, 2000):
        Upload.objects.bulk_create(
            Upload(
                job=jobs[number % JOBS], position=number, name=f"photo-{number}.jpg", sent_name=f"photo-{number}.jpg",
                status=Status.FAILED, attempts=3, error_code=(code := CODES[number % len(CODES)]),
                error_message=KINDS[code].sentence, error_remedy=KINDS[code].remedy, error_detail="Traceback\n" * 20,
                source=f"originals/{number}.jpg", source_sha256=f"{number:064x}", queued_at=now, started_at=now,
                finished_at=now - timedelta(seconds=(MANY - number) % 86_400),
            )
            for number in range(first, min(first + 2000, numbers.stop))
        )  # fmt: skip


# ---- P6 -------------------------------------------------------------------------------------------------------------


def _seen(client: Client, jobs: list[Job]) -> list[Figure]:
    page, filtered, preview = (
        answered.page(client, reverse(name, query=asked))
        for name, asked in (("queue", {}), ("queue", {"q": FILTER}), ("queue-preview", {"q": FILTER, "verb": "retry"}))
    )
    _fail(jobs, range(FEW))
    few = answered.queries(page)
    _fail(jobs, range(FEW, MANY))
    many = answered.queries(page)
    took = answered.times(page)
    (grown,) = take(page)
    return [
        Figure("P6-queue", f"queue page over {MANY:,} failed photos, p95", p95(took), "ms", 200),
        Figure("P6-queue-memory", "more memory", grown.megabytes, "MB", 50),
        Figure("P6-queue-queries", "queries", many, "", few, f"over {FEW} photos"),
        Figure("P6-queue-filtered", f"the same, {FILTER}, p95", p95(answered.times(filtered)), "ms", 200),
        Figure("P6-queue-preview", "preview of a retry, p95", p95(answered.times(preview)), "ms", 200),
    ]


# ---- P7 -------------------------------------------------------------------------------------------------------------


def _retried(client: Client, jobs: list[Job]) -> list[Figure]:
    asked: dict[str, Any] = {"verb": "retry", "q": "state:failed"}
    began = time.perf_counter()
    answer = client.post(reverse("queue-act"), asked)
    took = time.perf_counter() - began
    act = BulkAct.objects.latest("pk")
    _fail(jobs, range(MANY, MANY + LATE))
    Upload.objects.filter(position__gte=MANY).update(finished_at=timezone.now())
    (ran,) = take(partial(bulk.run, act.pk), turns=1)
    act.refresh_from_db()
    if answer.status_code >= 400 or act.done != act.matched or act.matched != MANY:
        raise RuntimeError(f"{answer.status_code}: {act.done} of {act.matched} were retried.")
    spared = query.read("state:failed").rows().count()
    return [
        Figure("P7", f"answer to a retry of {MANY:,} by a filter", took, "s", 1),
        Figure("P7-spared", "photos that failed since, and are left alone", spared, "photos", LATE, "all of them",
               more_is_better=True),
        Figure("P7-run-memory", "more memory, all of it retried", ran.megabytes, "MB", 50),
    ]  # fmt: skip
