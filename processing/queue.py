"""The only door to RQ for those who send. Redis carries nudges; the database decides."""

import logging
from collections.abc import Iterable
from functools import cache

import django_rq
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from rq import Queue, Worker

from processing.models import Job, Pause
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
    """A connection for those who cannot wait for a Redis that hangs."""
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def push() -> None:
    """After the commit, wake the dispatcher: there is something to feed. Works while Redis is down, only later."""
    transaction.on_commit(_wake)


def _wake() -> None:
    try:
        with _quick(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            pipe.lpush(WAKE, 1)
            pipe.ltrim(WAKE, 0, 0)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("dispatcher not woken: %s", error)


def wait(seconds: float) -> None:
    """Sleep until woken, or until the time is over (at most half a second). Raises redis.RedisError."""
    _quick(settings.REDIS_URL).brpop([WAKE], timeout=min(seconds, 0.5))


def ping() -> None:
    """Raises redis.RedisError when Redis does not answer."""
    _quick(settings.REDIS_URL).ping()


def send(name: str, task: str, ids: Iterable[int], *, front: bool = False) -> None:
    """Nudge the workers of a queue about rows. Raises redis.RedisError."""
    jobs = [
        Queue.prepare_data(task, args=(pk,), timeout=-1, result_ttl=0, failure_ttl=3600, at_front=front) for pk in ids
    ]
    if jobs:
        django_rq.get_queue(name).enqueue_many(jobs)


def empty(name: str) -> None:
    """Take back the nudges that nobody has taken yet. Raises redis.RedisError."""
    django_rq.get_queue(name).empty()  # type: ignore[no-untyped-call]


def waiting(name: str) -> int:
    """How many nudges nobody has taken yet. Raises redis.RedisError."""
    return int(django_rq.get_queue(name).count)


def workers(name: str) -> int:
    """How many workers listen. Raises redis.RedisError."""
    return len(Worker.all(queue=django_rq.get_queue(name)))


# ---- what operators decide -----------------------------------------------------------------------------------------


def pause(by: User, *, owner: User | None = None, job: Job | None = None, drains: bool = False) -> None:
    """No further photo is begun, of the queue, of a person or of a job; it stays the act of whoever did so first."""
    Pause.objects.get_or_create(key=_key(owner, job), defaults={"by": by, "owner": owner, "job": job, "drains": drains})
    push()


def resume(*, owner: User | None = None, job: Job | None = None) -> None:
    Pause.objects.filter(key=_key(owner, job)).delete()
    push()


def paused(*, owner: User | None = None, job: Job | None = None) -> Pause | None:
    return Pause.objects.filter(key=_key(owner, job)).select_related("by").first()


def _key(owner: User | None, job: Job | None) -> str:
    return f"person-{owner.pk}" if owner else f"job-{job.pk}" if job else QUEUE


def connection() -> redis.Redis:
    """For the workers themselves."""
    return django_rq.get_connection(PHOTOS)
