"""The one dispatcher: feeds the queues fairly from the database, frees what dead workers hold, sends for tidying."""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from operator import attrgetter

import redis
import structlog
from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, transaction
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.utils import timezone

from processing import breaker, bulk, crew, ledger, outage, queue, variants
from processing.hooks import deliver
from processing.models import Breaker, Job, Status, Upload, lease
from processing.turns import PER_WORKER, SMALL_JOB, Turns, Waiting

log = structlog.stdlib.get_logger(__name__)

ROLE = lease.DISPATCHING
LOST_AFTER = timedelta(seconds=3)
IO_AT_ONCE = 100
TIDY_EVERY = 60.0
SMALL_AT_ONCE = 10_000  # jobs that are asked whether they are small; no database takes any number in one query
TENDED = 20  # breakers in one turn; there may be thousands, as each host of a CSV has one


class Dispatcher:
    def __init__(self) -> None:
        self.holder = f"{crew.PROCESS}:{os.getpid()}"
        self.stopping = threading.Event()
        self.turns = Turns()
        self.alone: dict[str, Breaker] = {}
        self.workers, self.counted_at, self.tidied_at = 0, 0.0, time.monotonic()
        self.is_held: bool | None = None
        self.has_spare = False  # workers that take what lies in `queue.SOON` at once

    def run(self) -> None:
        """Until asked to stop. When Redis or the database fails, the next turn begins from the database."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                if self.hold():
                    self.turn()
                    queue.wait(0.5)
                else:
                    self.stopping.wait(1)
            except redis.RedisError as error:
                log.warning("redis_does_not_answer", error=str(error))
                self.stopping.wait(0.5)
            except DatabaseTrouble as error:
                if not outage.told(error):
                    log.exception("database_failed")
                self.stopping.wait(1)
        with suppress(DatabaseTrouble):  # it ends by itself
            lease.let_go(ROLE, self.holder)

    def hold(self) -> bool:
        """Take or keep the role."""
        is_held = lease.hold(ROLE, self.holder, seconds=10)
        if is_held != self.is_held:
            log.info("dispatcher_is_at_work" if is_held else "dispatcher_waits_as_another_is_at_work", host=crew.HOST)
        self.is_held = is_held
        return is_held

    def turn(self) -> None:
        """Look at everything once. Sweeping comes first and needs no Redis."""
        ledger.sweep()
        self.tend_breakers()
        self.feed_photos()
        self.feed_io()

    # ---- what does not answer --------------------------------------------------------------------------------------

    def tend_breakers(self) -> None:
        """Park what needs what is left alone, let one through when it is time, and release what waits for nothing."""
        self.alone = {name: row for name, row in breaker.open_ones().items() if not name.startswith(breaker.HOOKS)}
        for name in sorted(ledger.parked_for() - self.alone.keys(), reverse=True)[:TENDED]:
            log.info("photos_released", breaker=name, count=ledger.release(name))
        probes = {row.probe for row in self.alone.values() if row.probe}
        for name in ledger.to_park(self.alone, but=probes)[:TENDED]:
            log.info("photos_parked", breaker=name, count=ledger.park_waiting(name, but=probes))
        due = [row for row in self.alone.values() if row.is_due]
        for row in sorted(due, key=attrgetter("probe_at"))[:TENDED]:
            self.try_one(row.name)

    def try_one(self, name: str) -> None:
        """In one transaction, so that its attempt does not end before the breaker is half open."""
        pk = ledger.next_parked(name)
        if pk is None:
            breaker.unneeded(name)
            return
        with transaction.atomic():
            if breaker.let_through(name, pk):
                ledger.release(name, only=pk)
                log.info("breaker_lets_through", breaker=name, upload_id=pk)

    # ---- photos ----------------------------------------------------------------------------------------------------

    def feed_photos(self) -> None:
        """One photo of a small job is left to the spare workers where nothing waits for these, also where all places
        are taken: whoever sends a lone photo does not wait behind thousands."""
        free, spare = self.free_places(), int(self.has_spare and not queue.waiting(queue.SOON))
        rows = self.waiting() if free or spare else []
        hasty, usual = self.turns.hasten(rows, spare), self.turns.choose(rows, free)
        if not (hasty or usual):
            return
        sent = self.next_of(hasty + usual)
        soon = [pk for job, ids in sent.items() for pk in ids[: hasty[job]]]
        others = [pk for job, ids in sent.items() for pk in ids[hasty[job] :]]
        queue.send(queue.SOON, queue.PROCESS_UPLOAD, soon)
        queue.send(queue.PHOTOS, queue.PROCESS_UPLOAD, others)
        ledger.nudged(soon + others)
        for job, request_id in Job.objects.filter(pk__in=sent).values_list("pk", "request_id"):
            log.info("photos_sent", job_id=job, request_id=request_id, upload_ids=sent[job])

    def next_of(self, counts: Mapping[int, int]) -> dict[int, list[int]]:
        """So many photos of each job, in order. One query is for all jobs that get one place, as most do where many
        wait: Django takes longer to write a query than a database to answer it."""
        due = self.due()
        first = due.filter(job_id=OuterRef("pk")).order_by("position").values("pk")[:1]
        lone = Job.objects.filter(pk__in=[job for job, count in counts.items() if count == 1])
        found = dict(lone.annotate(first=Subquery(first)).values_list("pk", "first"))
        ids = {job: [pk] for job, pk in found.items() if pk}  # none where it was cancelled since
        for job, count in counts.items():
            if count > 1:
                rows = due.filter(job_id=job).order_by("position")
                ids[job] = list(rows.values_list("pk", flat=True)[:count])
        return {job: ids[job] for job in counts if ids.get(job)}

    def free_places(self) -> int:
        sent = Upload.objects.filter(status=Status.QUEUED, nudged_at__isnull=False).count()
        if sent and queue.waiting(queue.PHOTOS) + (self.has_spare and queue.waiting(queue.SOON)) < sent:
            sent -= ledger.forget_nudges(timezone.now() - LOST_AFTER)
        return max(0, PER_WORKER * self.count_workers() - sent)

    def count_workers(self) -> int:
        if time.monotonic() - self.counted_at > 5:
            self.workers, self.counted_at = len(crew.at_work(queue.PHOTOS)), time.monotonic()
            self.has_spare = bool(crew.at_work(queue.SOON))
        return max(1, self.workers)

    def due(self) -> "QuerySet[Upload]":
        """What may be claimed, and Redis was not told of."""
        return ledger.waiting(Status.QUEUED).filter(nudged_at=None)

    def waiting(self) -> list[Waiting]:
        """How many photos of each job may be sent."""
        rows = self.due().order_by().values_list("job_id", "job__owner_id").annotate(count=Count("pk"))
        waiting = [Waiting(*row) for row in rows]
        small = small_jobs([row.job for row in waiting if row.count <= SMALL_JOB][:SMALL_AT_ONCE])
        for row in waiting:
            row.is_small = row.job in small
        return waiting

    # ---- what the io workers do ------------------------------------------------------------------------------------

    def feed_io(self) -> None:
        if queue.waiting(queue.IO):
            return  # one handful at a time, so that all kinds take turns
        queue.send(queue.IO, queue.FETCH_PHOTOS, self.fetches())
        queue.send(queue.IO, queue.DELIVER, self.deliveries())
        queue.send(queue.IO, queue.UNPACK_ARCHIVE, self.archives())
        queue.send(queue.IO, queue.BRING_FOUND, self.found())
        queue.send(queue.IO, queue.MAKE_THUMBNAIL, self.thumbnails())
        queue.send(queue.IO, queue.RUN_ACT, bulk.due())
        if time.monotonic() - self.tidied_at > TIDY_EVERY:
            self.tidied_at = time.monotonic()
            queue.send(queue.IO, queue.TIDY, [0])

    def fetches(self) -> list[int]:
        """One nudge, where photos wait to be fetched and nobody is at it."""
        return [0] if not lease.is_held(lease.FETCHING) and ledger.to_fetch().exists() else []

    def deliveries(self) -> list[int]:
        """One nudge, where something is to be delivered and nobody is at it."""
        return [0] if not lease.is_held(lease.DELIVERING) and deliver.due().exists() else []

    def archives(self) -> list[int]:
        """The ZIPs to go on with: one of each person."""
        return first_of_each(ledger.waiting(Status.NEW).filter(archive__isnull=False), "archive_id")

    def found(self) -> list[int]:
        """The jobs whose photos are brought out of the bucket: one of each person."""
        return first_of_each(ledger.to_find(), "job_id")

    def thumbnails(self) -> list[int]:
        """While storage answers, the next of each job that waits for some, from its beginning; the newest jobs
        first, as people look at them."""
        if breaker.STORAGE in self.alone:
            return []
        due = variants.due().order_by("-upload__job_id")
        jobs = due.values_list("upload__job_id", flat=True).distinct()[:IO_AT_ONCE]
        share = max(1, IO_AT_ONCE // max(1, len(jobs)))
        rows = [variants.due().filter(upload__job_id=job).order_by("pk").values_list("pk", flat=True) for job in jobs]
        return [pk for row in rows for pk in row[:share]]


def first_of_each(waiting: "QuerySet[Upload]", column: str) -> list[int]:
    """The first archive or job of each person of whom something waits."""
    rows = waiting.order_by().values_list("job__owner_id").annotate(first=Min(column))
    return [first for _, first in rows]


def small_jobs(jobs: list[int]) -> set[int]:
    """Those of the jobs that have but a few photos in all."""
    totals = Upload.objects.filter(job_id__in=jobs).order_by().values_list("job_id").annotate(total=Count("pk"))
    return {job for job, total in totals if total <= SMALL_JOB}
