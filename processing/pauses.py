"""What operators hold: the queue, a person or a job. Whoever begins work on photos asks here."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from processing import queue
from processing.models import Job, Pause, Status, Upload
from processing.models.jobs import ACTIVE, ASKED_AT
from processing.models.queues import QUEUE


@dataclass(frozen=True)
class Hold:
    """A pause, and how many photos are still to go before one that drains has run dry (None for one that does not)."""

    pause: Pause
    left: int | None

    @property
    def is_whole(self) -> bool:
        """Whether it is of the whole queue."""
        return self.pause.key == QUEUE

    @property
    def name(self) -> str:
        return named(self.pause.owner, self.pause.job)


def pause(by: User, *, owner: User | None = None, job: Job | None = None, drains: bool = False) -> bool:
    """No further photo is begun, of the queue, of a person or of a job; False where that held already.

    It stays the act of whoever did so first.
    """
    key = _key(owner, job)
    other = Pause.objects.filter(key=key, drains=not drains)
    queue.push()
    if other.update(drains=drains, by=by, since=timezone.now()):
        return True
    return Pause.objects.get_or_create(key=key, defaults={"by": by, "owner": owner, "job": job, "drains": drains})[1]


def resume(*, owner: User | None = None, job: Job | None = None) -> bool:
    """False where nothing was paused."""
    count, _ = Pause.objects.filter(key=_key(owner, job)).delete()
    queue.push()
    return bool(count)


def named(owner: User | None, job: Job | None) -> str:
    """What of the queue that is, in a sentence."""
    return str(job) if job else f"the photos of {owner.get_username()}" if owner else "the queue"


def all_ones() -> list[Hold]:
    """All that hold, the queue's own first, then the oldest first."""
    rows = list(Pause.objects.select_related("by", "owner", "job").order_by("since"))
    rows.sort(key=lambda row: row.key != QUEUE)
    to_go = Upload.objects.filter(status__in=ACTIVE, job__deleted_at=None).annotate(asked_at=ASKED_AT)
    counts = {row.key: Count("pk", filter=_part(row) & Q(asked_at__lte=row.since)) for row in rows if row.drains}
    left = to_go.aggregate(**counts) if counts else {}
    return [Hold(row, left.get(row.key)) for row in rows]


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
    return any((waiting.filter(asked_at__gt=one.since) if one.drains else waiting).exists() for one in mine)


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
