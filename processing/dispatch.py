"""The one dispatcher: feeds the queues fairly from the database, frees what dead workers hold, sends for tidying."""

import logging
import os
import socket
import threading
import time
from collections import Counter, defaultdict
from datetime import timedelta

import redis
from django.db import DatabaseError, IntegrityError, close_old_connections
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from processing import ledger, queue, variants
from processing.models import Lease, Status, Upload

log = logging.getLogger(__name__)

ROLE = "dispatcher"
PER_WORKER = 3  # nudges in Redis per worker: enough to keep it busy, few enough to stay fair
SMALL_JOB = 5  # photos; such a job goes first
LOST_AFTER = timedelta(seconds=3)
IO_AT_ONCE = 100
TIDY_EVERY = 60.0


class Dispatcher:
    def __init__(self) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self.stopping = threading.Event()
        self.turn_number = 0
        self.served: dict[tuple[str, int], int] = defaultdict(int)  # ("owner" or "job", id) → turn last served
        self.workers, self.counted_at, self.tidied_at = 0, 0.0, time.monotonic()

    def run(self) -> None:
        """Until asked to stop. Whatever fails, the next turn begins from the database."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                if self.hold():
                    self.turn()
                    queue.wait(0.5)
                else:
                    self.stopping.wait(1)
            except redis.RedisError as error:
                log.warning("Redis does not answer: %s", error)
                self.stopping.wait(0.5)
            except DatabaseError as error:
                log.warning("the database does not answer: %s", error)
                self.stopping.wait(1)
        Lease.objects.filter(name=ROLE, holder=self.holder).delete()

    def hold(self) -> bool:
        """Take or keep the role: one row, one conditional UPDATE."""
        now = timezone.now()
        until = now + timedelta(seconds=10)
        rows = Lease.objects.filter(Q(holder=self.holder) | Q(until__lt=now), name=ROLE)
        if rows.update(holder=self.holder, until=until):
            return True
        try:
            _, made = Lease.objects.get_or_create(name=ROLE, defaults={"holder": self.holder, "until": until})
        except IntegrityError:
            return False
        return made

    def turn(self) -> None:
        """Look at everything once. Sweeping comes first and needs no Redis."""
        swept = ledger.sweep()
        if swept:
            log.warning("%s uploads freed from workers that are gone", swept)
        self.feed_photos()
        self.feed_io()

    # ---- photos ----------------------------------------------------------------------------------------------------

    def feed_photos(self) -> None:
        free = self.free_places()
        if free <= 0:
            return
        for job_id, (count, small) in self.choose(free).items():
            ids = list(self.due().filter(job_id=job_id).order_by("position").values_list("pk", flat=True)[:count])
            queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, ids, front=small)
            ledger.nudged(ids)

    def free_places(self) -> int:
        sent = Upload.objects.filter(status=Status.QUEUED, nudged_at__isnull=False).count()
        if sent and queue.waiting(queue.PHOTOS) < sent:
            sent -= ledger.forget_nudges(timezone.now() - LOST_AFTER)
        return PER_WORKER * self.count_workers() - sent

    def count_workers(self) -> int:
        if time.monotonic() - self.counted_at > 5:
            self.workers, self.counted_at = queue.workers(queue.PHOTOS), time.monotonic()
        return max(1, self.workers)

    def due(self) -> "QuerySet[Upload]":
        return Upload.objects.filter(
            Q(not_before=None) | Q(not_before__lte=timezone.now()),
            status=Status.QUEUED, nudged_at=None, job__deleted_at=None,
        )  # fmt: skip

    def choose(self, free: int) -> dict[int, tuple[int, bool]]:
        """How many places each job gets, and whether it is small: people in turn, then the jobs of each in turn.

        Small jobs go first at every second place, so that a stream of them cannot hold up the others.
        """
        left = {
            row["job_id"]: [row["job__owner_id"], row["count"], row["count"] <= SMALL_JOB]
            for row in self.due().order_by().values("job_id", "job__owner_id").annotate(count=Count("pk"))
        }
        given: Counter[int] = Counter()
        small = {job_id: is_small for job_id, (_, _, is_small) in left.items()}
        while left and free > 0:
            self.turn_number += 1
            first = [job for job in left if small[job]] if self.turn_number % 2 else []
            job = min(
                first or left,
                key=lambda job: (self.served["owner", left[job][0]], not small[job], self.served["job", job]),
            )
            self.served["owner", left[job][0]] = self.served["job", job] = self.turn_number
            given[job] += 1
            free -= 1
            left[job][1] -= 1
            if not left[job][1]:
                del left[job]
        return {job: (count, small[job]) for job, count in given.items()}

    # ---- what the io workers do ------------------------------------------------------------------------------------

    def feed_io(self) -> None:
        if queue.waiting(queue.IO):
            return  # one handful at a time, so that ZIPs and thumbnails take turns
        new = Upload.objects.filter(
            Q(not_before=None) | Q(not_before__lte=timezone.now()),
            status=Status.NEW, claim=None, archive__isnull=False, job__deleted_at=None,
        )  # fmt: skip
        queue.send(queue.IO, queue.UNPACK_ARCHIVE, new.order_by().values_list("archive_id", flat=True).distinct()[:10])
        queue.send(
            queue.IO, queue.MAKE_THUMBNAIL, variants.due().order_by("pk").values_list("pk", flat=True)[:IO_AT_ONCE]
        )
        if time.monotonic() - self.tidied_at > TIDY_EVERY:
            self.tidied_at = time.monotonic()
            queue.send(queue.IO, queue.TIDY, [0])
