"""The only door to RQ for those who send. Redis carries nudges; the database decides."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import django_rq
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from rq import Queue, Worker

from processing.models import Job, Pause, Status, Upload
from processing.models.jobs import ACTIVE
from processing.models.queues import QUEUE

log = logging.getLogger(__name__)

PHOTOS, IO = "photos", "io"
WAKE = "photoproc:wake"
# Dotted paths are frozen: an older worker must understand a newer nudge.
PROCESS_UPLOAD = "processing.tasks.process_upload"
MAKE_THUMBNAIL = "processing.tasks.make_thumbnail"
UNPACK_ARCHIVE = "processing.tasks.unpack_archive"
FETCH_PHOTOS = "processing.tasks.fetch_photos"
DELIVER = "processing.tasks.deliver"
RUN_ACT = "processing.tasks.run_act"
TIDY = "processing.tasks.tidy"


@cache
def _quick(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def push() -> None:
    """After the commit, wake the dispatcher: there is something to feed. Works while Redis is down, only later."""
    transaction.on_commit(_wake)


def quick() -> redis.Redis:
    """Redis, for those who cannot wait for one that hangs."""
    return _quick(settings.REDIS_URL)


def _wake() -> None:
    try:
        with quick().pipeline(transaction=False) as pipe:
            pipe.lpush(WAKE, 1)
            pipe.ltrim(WAKE, 0, 0)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("dispatcher not woken: %s", error)


def wait(seconds: float) -> None:
    """Sleep until woken, or until the time is over (at most half a second). Raises redis.RedisError."""
    quick().brpop([WAKE], timeout=min(seconds, 0.5))


def ping() -> None:
    """Raises redis.RedisError when Redis does not answer."""
    quick().ping()


def send(name: str, task: str, ids: Iterable[int], *, front: bool = False) -> None:
    """Nudge the workers of a queue about rows. Raises redis.RedisError."""
    jobs = [
        Queue.prepare_data(task, args=(pk,), timeout=-1, result_ttl=0, failure_ttl=3600, at_front=front) for pk in ids
    ]
    if jobs:
        django_rq.get_queue(name).enqueue_many(jobs)


def waiting(name: str) -> int:
    """How many nudges nobody has taken yet. Raises redis.RedisError."""
    return int(django_rq.get_queue(name).count)


def workers(name: str) -> int:
    """How many workers listen. Raises redis.RedisError."""
    return len(Worker.all(queue=django_rq.get_queue(name)))


# ---- what operators decide -----------------------------------------------------------------------------------------
# When somebody last asked for a photo: the pause that drains holds those of later.
ASKED_AT = Coalesce("queued_at", "created_at")


@dataclass(frozen=True)
class Standing:
    """A pause, and how many photos are still to go before one that drains has run dry."""

    pause: Pause
    left: int | None


def pause(by: User, *, owner: User | None = None, job: Job | None = None, drains: bool = False) -> bool:
    """No further photo is begun, of the queue, of a person or of a job; False where that held already.

    It stays the act of whoever did so first.
    """
    key = _key(owner, job)
    other = Pause.objects.filter(key=key, drains=not drains)
    push()
    if other.update(drains=drains, by=by, since=timezone.now()):
        return True
    return Pause.objects.get_or_create(key=key, defaults={"by": by, "owner": owner, "job": job, "drains": drains})[1]


def resume(*, owner: User | None = None, job: Job | None = None) -> bool:
    """False where nothing was paused."""
    count, _ = Pause.objects.filter(key=_key(owner, job)).delete()
    push()
    return bool(count)


def paused(*, owner: User | None = None, job: Job | None = None) -> Pause | None:
    return Pause.objects.filter(key=_key(owner, job)).select_related("by").first()


def pauses() -> list[Standing]:
    """All that hold, the queue's own first, then the oldest first."""
    rows = list(Pause.objects.select_related("by", "owner", "job").order_by("since"))
    rows.sort(key=lambda row: row.key != QUEUE)
    to_go = Upload.objects.filter(status__in=ACTIVE, job__deleted_at=None).annotate(asked_at=ASKED_AT)
    counts = {row.key: Count("pk", filter=_part(row) & Q(asked_at__lte=row.since)) for row in rows if row.drains}
    left = to_go.aggregate(**counts) if counts else {}
    return [Standing(row, left.get(row.key)) for row in rows]


def held() -> Q:
    """Of uploads: those that a pause holds. Where there is no pause at all, that is asked once, and not for each."""
    owner = Job.objects.filter(pk=OuterRef(OuterRef("job_id"))).values("owner_id")
    mine = Q(key=QUEUE) | Q(job_id=OuterRef("job_id")) | Q(owner_id=Subquery(owner))
    later = Q(drains=False) | Q(since__lt=Coalesce(OuterRef("queued_at"), OuterRef("created_at")))
    return Q(Exists(Pause.objects.all())) & Q(Exists(Pause.objects.filter(mine, later)))


def holds(job: Job) -> bool:
    """Whether photos of a job wait for the end of a pause."""
    waiting = Upload.objects.filter(job=job, status__in=[Status.NEW, Status.QUEUED]).annotate(asked_at=ASKED_AT)
    mine = Pause.objects.filter(Q(key=QUEUE) | Q(job=job) | Q(owner=job.owner_id))
    later = Exists(waiting.filter(asked_at__gt=OuterRef("since")))
    return mine.filter(Q(drains=False) & Exists(waiting) | Q(drains=True) & later).exists()


def drained_since(job_id: int, owner_id: int) -> datetime | None:
    """Since when the photos of a job drain: what is let through by then was asked for before."""
    mine = Q(key=QUEUE) | Q(job=job_id) | Q(owner=owner_id)
    since: datetime | None = Pause.objects.filter(mine, drains=True).aggregate(since=Min("since"))["since"]
    return since


def _part(pause: Pause) -> Q:
    """Of uploads: those that it is about."""
    return Q(job=pause.job_id) if pause.job_id else Q(job__owner=pause.owner_id) if pause.owner_id else Q()


def _key(owner: User | None, job: Job | None) -> str:
    return f"person-{owner.pk}" if owner else f"job-{job.pk}" if job else QUEUE


def connection() -> redis.Redis:
    """For the workers themselves."""
    return django_rq.get_connection(PHOTOS)
