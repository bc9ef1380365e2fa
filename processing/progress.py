"""How far a job is: counts, rate, place in line and time left, from the database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Aggregate, Count, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from processing import breaker, pauses
from processing.models import Breaker, Job, Status, Upload
from processing.models.jobs import ACTIVE

RATE_SECONDS = 60
MOST_PLACES = 100  # further back it changes faster than anybody reads
COUNTED = 1.0  # seconds for which the count of all that wait is kept: hundreds of pages would ask for it in each
ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
TO_REVIEW = Q(status=Status.COMPLETED, needs_review=True)
BAR_WIDTH, BAR_LEAST = 1000, 8


@dataclass(frozen=True)
class Segment:
    """A stretch of the bar, in thousandths of its width."""

    state: str
    x: int
    width: int


@dataclass(frozen=True)
class Host:
    """Who is busy or does not answer: how many photos of the job wait for it, and in how many seconds it is tried
    again, where that is known."""

    name: str
    photos: int
    seconds: int | None


@dataclass(frozen=True)
class Progress:
    """Counts by state, and what follows from them. `rate` is photos per second; `left` is (least, most) seconds.

    `to_review` are those of the completed ones that are flagged, `first_to_review` is the id of the first;
    `changed_at` is when any photo changed last; `is_paused` says that some wait for the end of a pause;
    `hosts` do not answer, and are left alone.
    """

    counts: dict[str, int]
    is_open: bool = False
    is_draft: bool = False
    to_review: int = 0
    first_to_review: int | None = None
    rate: float | None = None
    left: tuple[float, float] | None = None
    changed_at: datetime | None = None
    is_paused: bool = False
    hosts: Sequence[Host] = ()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        return sum(self.counts[state] for state in ENDED)

    @property
    def active(self) -> int:
        return self.total - self.ended

    @property
    def percent(self) -> int:
        return 100 * self.ended // self.total if self.total else 100 * (self.status == Status.COMPLETED)

    @property
    def status(self) -> str:
        """The job's: derived, never stored."""
        counts = self.counts
        if self.is_draft:
            return "draft"
        if not self.total and not self.is_open:  # a CSV whose rows were all completed before
            return Status.COMPLETED
        if self.active or self.is_open:
            return Status.PROCESSING if self.ended or counts["processing"] else Status.QUEUED
        if counts["cancelled"] and not counts["failed"]:
            return Status.CANCELLED
        return Status.COMPLETED if counts["completed"] else Status.FAILED

    @property
    def bar(self) -> list[Segment]:
        """The stretches of the bar; a state that has photos is never too thin to be seen."""
        counts = {
            "completed": self.counts["completed"] - self.to_review, "review": self.to_review,
            **{state: self.counts[state] for state in ("failed", "cancelled", "processing")},
        }  # fmt: skip
        shown = [state for state in counts if counts[state]]
        widths = {state: max(BAR_LEAST, BAR_WIDTH * counts[state] // self.total) for state in shown}
        too_much = sum(widths.values()) - BAR_WIDTH
        if too_much > 0:
            widths[max(widths, key=lambda state: widths[state])] -= too_much
        segments, x = [], 0
        for state, width in widths.items():
            segments.append(Segment(state, x, width))
            x += width
        return segments


def _rows(jobs: Iterable[Job], **more: Aggregate) -> list[dict[str, Any]]:
    """One for each job and each state of its photos; `more` is counted within it."""
    more |= {"count": Count("pk"), "last": Max("changed_at"), "to_review": Count("pk", filter=TO_REVIEW)}
    states = Upload.objects.filter(job__in=jobs).order_by().values("job_id", "status")
    rows: list[Any] = list(states.annotate(**more))
    return rows


def _counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    return dict.fromkeys(Status.values, 0) | {row["status"]: row["count"] for row in rows}


def of(job: Job) -> Progress:
    """How far one job is."""
    since = timezone.now() - timedelta(seconds=RATE_SECONDS)
    rows = _rows(
        [job], recent=Count("pk", filter=Q(finished_at__gte=since)), begun=Min("started_at"),
        first_to_review=Min("pk", filter=TO_REVIEW), parked=Count("pk", filter=~Q(waits_for="")),
    )  # fmt: skip

    def each(column: str) -> list[Any]:
        return [row[column] for row in rows if row[column]]

    counts, is_parked = _counts(rows), any(each("parked"))
    recent = sum(row["recent"] for row in rows if row["status"] in (Status.COMPLETED, Status.FAILED))
    rate, left = _pace(counts, recent, min(each("begun"), default=None))
    return Progress(
        counts, job.is_open, job.is_draft, sum(each("to_review")), next(iter(each("first_to_review")), None), rate=rate,
        left=None if is_parked else left,  # nobody knows when those go on
        changed_at=max(each("last"), default=None),
        is_paused=bool(counts["new"] + counts["queued"]) and pauses.holds(job),
        hosts=_left_alone(job) if is_parked else (),
    )  # fmt: skip


def _left_alone(job: Job) -> list[Host]:
    look = Breaker.objects.filter(name=OuterRef("waits_for")).values("probe_at")
    rows = job.uploads.exclude(waits_for="").order_by("waits_for").values_list("waits_for")
    counted = rows.annotate(Count("pk"), look=Subquery(look))
    return [Host(breaker.label(name), count, seconds_until(look)) for name, count, look in counted]


def seconds_until(time: datetime | None) -> int | None:
    """Whole ones; 0 for what has been."""
    return max(0, round((time - timezone.now()).total_seconds())) if time else None


def _pace(
    counts: dict[str, int], recent: int, begun: datetime | None
) -> tuple[float | None, tuple[float, float] | None]:
    """Photos per second over the last minute, and the time left; nothing before 15 s and 10 photos have passed."""
    ended = sum(counts[state] for state in ENDED)
    to_go = sum(counts[state] for state in ACTIVE)
    seconds = (timezone.now() - begun).total_seconds() if begun else 0
    if not recent or not to_go or seconds < 15 or ended < 10:
        return None, None
    rate = recent / min(RATE_SECONDS, seconds)
    return rate, (0.85 * to_go / rate, 1.3 * to_go / rate)


def of_many(jobs: Iterable[Job]) -> dict[int, Progress]:
    """How far each of these jobs is, without pace, in one query."""
    jobs, found = list(jobs), defaultdict(list)
    for row in _rows(jobs):
        found[row["job_id"]].append(row)
    return {
        job.pk: Progress(
            _counts(rows), job.is_open, job.is_draft, sum(row["to_review"] for row in rows),
            changed_at=max((row["last"] for row in rows), default=None),
        )
        for job in jobs
        for rows in [found[job.pk]]
    }  # fmt: skip


def places(job: Job, upload_ids: Iterable[int]) -> dict[int, int]:
    """The place in line of uploads of one job that wait, as far as it is worth saying: 1 is next.

    The dispatcher serves people in turn, so each other person is served at most once before each of one's own. How many
    photos of others wait is as of a second ago at most.
    """
    own = _waiting().filter(job__owner=job.owner_id).order_by("job_id", "position").values_list("pk", flat=True)
    by_owner = cache.get_or_set("waiting-by-owner", _by_owner, COUNTED) or {}
    others = [count for owner, count in by_owner.items() if owner != job.owner_id]
    wanted, found = set(upload_ids), {}
    for ahead, pk in enumerate(own[:MOST_PLACES]):
        if pk in wanted:
            found[pk] = ahead + 1 + sum(min(count, ahead) for count in others)
    return found


def _waiting() -> "QuerySet[Upload]":
    return Upload.objects.filter(~pauses.held(), status=Status.QUEUED, job__deleted_at=None).order_by()


def _by_owner() -> dict[int, int]:
    return dict(_waiting().values_list("job__owner").annotate(Count("pk")))
