"""The only door to RQ for those who send. Redis carries nudges; the database decides."""

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from rq import Queue, Worker
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

PHOTOS, IO = "photos", "io"
SOON = "soon"  # a photo that somebody waits for; a spare worker takes it at once
WAKE = "photoproc:wake"
# Dotted paths are frozen: an older worker must understand a newer nudge.
PROCESS_UPLOAD = "processing.tasks.process_upload"
MAKE_THUMBNAIL = "processing.tasks.make_thumbnail"
UNPACK_ARCHIVE = "processing.tasks.unpack_archive"
FETCH_PHOTOS = "processing.tasks.fetch_photos"
DELIVER = "processing.tasks.deliver"
RUN_ACT = "processing.tasks.run_act"
TIDY = "processing.tasks.tidy"
BRING_FOUND = "processing.tasks.bring_found"
NUDGES = {PROCESS_UPLOAD, MAKE_THUMBNAIL, UNPACK_ARCHIVE, FETCH_PHOTOS, DELIVER, RUN_ACT, TIDY, BRING_FOUND}


class Nudge(Job):
    """What RQ keeps of a nudge in Redis. RQ would call and tell whatever stands there: this calls one of NUDGES alone,
    and no callback and no webhook of RQ's, also where RQ only clears up."""

    @property
    def is_ours(self) -> bool:
        try:
            return self.func_name in NUDGES and self.instance is None
        except (DeserializationError, TypeError):  # no JSON, or not of this shape
            return False

    def execute_success_callback(self, *args: Any) -> None:
        pass

    def execute_failure_callback(self, *args: Any) -> None:
        pass

    def execute_stopped_callback(self, *args: Any) -> None:
        pass

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        pass


@cache
def _quick(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


@cache
def _patient(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


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


def send(name: str, task: str, ids: Iterable[int]) -> None:
    """Nudge the workers of a queue about rows. Raises redis.RedisError."""
    jobs = [Queue.prepare_data(task, args=(pk,), timeout=-1, result_ttl=0, failure_ttl=3600) for pk in ids]
    if jobs:
        rq(name).enqueue_many(jobs)


def waiting(name: str) -> int:
    """How many nudges nobody has taken yet. Raises redis.RedisError."""
    return int(rq(name).count)


def workers(name: str) -> int:
    """How many workers listen. Raises redis.RedisError."""
    return len(Worker.all(queue=rq(name)))


def rq(name: str) -> Queue:
    """RQ's own, on a connection that stays: django-rq's would make one each time, which takes longer than to ask."""
    return Queue(name, connection=connection(), serializer=JSONSerializer, job_class=Nudge)


def connection() -> redis.Redis:
    """For those who can wait."""
    return _patient(settings.RQ_QUEUES[PHOTOS]["URL"])
