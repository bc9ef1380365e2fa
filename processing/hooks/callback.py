"""Tell an address that a job has ended: signed, at least once, and again by a schedule until it has heard.

The row is the outbox. A job that is retried after its address has heard is not told again.
"""

import asyncio
import json
import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import httpx
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Exists, F, Max, Min, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from processing import guard, progress
from processing.errors import PhotoError
from processing.hooks import signing
from processing.models import Callback, Job, Upload
from processing.models.jobs import ACTIVE, is_due

log = logging.getLogger(__name__)

MINUTE, HOUR = 60, 3600
SCHEDULE = (0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)  # waits in s
CALL_SECONDS = 30  # in all
CLAIM_SECONDS = 60  # then a worker that was calling is dead
NO_ANSWER = "It did not answer."


def expect(job: Job, url: str) -> None:
    """This address is to be told when the job has ended; none where it is empty. Raises PhotoError (`guard.check`)."""
    if not url.strip():
        Callback.objects.filter(job=job).delete()
        return
    address = guard.check(url, settings.FETCH_ALLOW)
    if not Callback.objects.filter(job=job, url=address.url, given_up_at=None).exists():
        fresh = {"attempts": 0, "not_before": None, "answer": "", "delivered_at": None, "given_up_at": None}
        Callback.objects.update_or_create(job=job, defaults={"url": address.url, **fresh})


def due() -> list[int]:
    """The callbacks that are to be called now: one of each person, so that nobody's silent ones hold up another's."""
    first = _due().order_by().values("job__owner").annotate(first=Min("pk"))
    return list(first.order_by("first").values_list("first", flat=True))


def _due() -> "QuerySet[Callback]":
    """Of jobs that have ended, and not heard yet. No join, as the claim is an UPDATE of these."""
    closed = Job.objects.filter(pk=OuterRef("job_id"), is_draft=False, is_open=False, deleted_at=None)
    active = Upload.objects.filter(job_id=OuterRef("job_id"), status__in=ACTIVE)
    # One whose worker was killed at every try is given up too.
    waiting = Callback.objects.filter(is_due(), delivered_at=None, given_up_at=None, attempts__lt=len(SCHEDULE))
    return waiting.filter(Exists(closed), ~Exists(active))


@dataclass(frozen=True)
class Answer:
    """What came of one call, for people, and what follows."""

    text: str
    is_heard: bool = False
    is_refused: bool = False  # for good


def call(pk: int) -> None:
    """One try. What is not due, or is in another worker's hands, is left alone."""
    callback = _due().filter(pk=pk).select_related("job__owner", "job__product_csv").first()
    if callback is None:
        return
    body = _body(callback.job)
    until = timezone.now() + timedelta(seconds=CLAIM_SECONDS)
    if not _due().filter(pk=pk, attempts=callback.attempts).update(attempts=F("attempts") + 1, not_before=until):
        return
    attempt = callback.attempts + 1
    answer = _call(callback, body)
    log.info("job %s: callback %s, attempt %s: %s", callback.job_id, pk, attempt, answer.text)
    _keep(answer, Callback.objects.filter(pk=pk, url=callback.url, attempts=attempt), attempt)


def _keep(answer: Answer, row: "QuerySet[Callback]", attempt: int) -> None:
    now = timezone.now()
    if answer.is_heard:
        row.update(answer=answer.text, delivered_at=now, not_before=None)
    elif answer.is_refused or attempt >= len(SCHEDULE):
        row.update(answer=answer.text, given_up_at=now, not_before=None)
    else:
        wait = SCHEDULE[attempt] * random.uniform(1, 1.2)
        row.update(answer=answer.text, not_before=now + timedelta(seconds=wait))


def _body(job: Job) -> bytes:
    """What is told, the same at each try."""
    found = progress.of(job)
    ended_at = job.uploads.aggregate(last=Max("finished_at"))["last"] or job.touched_at
    data: dict[str, object] = {
        "job_id": job.pk,
        "request_id": job.pk,
        "status": found.status,
        "summary": {
            "total": found.total, "successful": found.counts["completed"], "failed": found.counts["failed"],
            "percentage": found.percent,
        },
    }  # fmt: skip
    if hasattr(job, "product_csv"):
        data["csv_url"] = settings.URL + reverse("product-csv", args=[job.pk])
    return json.dumps({"type": f"job.{found.status}", "timestamp": ended_at.isoformat(), "data": data}).encode()


def _call(callback: Callback, body: bytes) -> Answer:
    job = callback.job
    id = f"callback_{callback.pk}_{job.created_at.timestamp():.0f}"  # the same at each try; no two houses share one
    headers = {"content-type": "application/json", **signing.headers(signing.secret_of(job.owner), id, body)}
    try:
        return _judge(async_to_sync(_post)(callback.url, headers, body))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return Answer(NO_ANSWER)
    except PhotoError as error:
        return Answer(error.message)


async def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """The status that comes back; what else does is not read."""
    async with (
        asyncio.timeout(CALL_SECONDS),
        guard.client(settings.FETCH_ALLOW, timeout=CALL_SECONDS) as client,
        client.stream("POST", url, content=body, headers=headers) as response,
    ):
        return response.status_code


def _judge(status: int) -> Answer:
    text = " ".join([str(status), *(known.phrase for known in HTTPStatus if known == status)])
    return Answer(text, is_heard=200 <= status < 300, is_refused=status == HTTPStatus.GONE)
