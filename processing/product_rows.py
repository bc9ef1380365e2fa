"""The rows of a product CSV as they stand: a row's state follows from its photos', and is never stored."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, F, Max, Min, Q, QuerySet, Value, When
from django.utils import timezone

from processing.models import Job, ProductRow, RowPhoto, Status
from processing.models.jobs import ACTIVE
from processing.progress import ENDED, Host, Progress, seconds_until

STATES = (Status.QUEUED, Status.PROCESSING, *ENDED)  # that rows have
HAS_PROBLEM = ~Q(problem_code="")
OPEN = HAS_PROBLEM & Q(is_left_out=False)  # to be mended or left out
LEFT_OUT = Q(is_left_out=True)
CARRIED = Q(is_left_out=False, carried__isnull=False)  # completed in an earlier run
RUNS = Q(problem_code="", is_left_out=False, carried__isnull=True)  # what Start makes photos of


def with_state(rows: "QuerySet[ProductRow]") -> "QuerySet[ProductRow, Any]":
    """Each with its `state` once the CSV was started: that of an upload, but never `new`.

    What cannot run is failed, what was left out is cancelled, what an earlier run completed stays so. A photo that is
    being fetched is at work; a row that has no photos yet is queued.
    """
    counted = rows.annotate(
        photos_total=Count("row_photos"),
        photos_active=_count(Q(row_photos__upload__status__in=ACTIVE)),
        photos_at_work=_count(is_at_work("row_photos__upload__")),
        photos_failed=_count(Q(row_photos__upload__status=Status.FAILED)),
        photos_cancelled=_count(Q(row_photos__upload__status=Status.CANCELLED)),
    )
    begun = Q(photos_at_work__gt=0) | Q(photos_active__lt=F("photos_total"))
    return counted.annotate(
        state=Case(
            When(LEFT_OUT, then=Value(Status.CANCELLED)),
            When(carried__isnull=False, then=Value(Status.COMPLETED)),
            When(HAS_PROBLEM, then=Value(Status.FAILED)),
            When(begun, photos_active__gt=0, then=Value(Status.PROCESSING)),
            When(Q(photos_active__gt=0) | Q(photos_total=0), then=Value(Status.QUEUED)),
            When(photos_failed__gt=0, then=Value(Status.FAILED)),
            When(photos_cancelled__gt=0, then=Value(Status.CANCELLED)),
            default=Value(Status.COMPLETED),
        )
    )


def is_at_work(upload: str = "") -> Q:
    """Of photos: being worked on, or being fetched. `upload` is the way to it, as `row_photos__upload__`."""
    fetched = Q(**{f"{upload}status": Status.NEW, f"{upload}claim__isnull": False})
    return Q(**{f"{upload}status": Status.PROCESSING}) | fetched


def _count(which: Q) -> Count:
    return Count("row_photos", filter=which)


def counts(job: Job) -> dict[str, int]:
    """How many rows there are in each state that rows have."""
    return standing(job).counts


# ---- all of them ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """The state of every row by its id, in the file's order; `to_retry` failed and have photos to run again; `hosts`
    are not to be asked for a while."""

    states: dict[int, str]
    to_retry: int
    hosts: list[Host]

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(self.states.values())
        return {state: found[state] for state in STATES}

    @property
    def progress(self) -> Progress:
        """How far the rows are, as a job's photos are."""
        return Progress({Status.NEW: 0, **self.counts})

    def in_turn(self, state: str = "") -> list[int]:
        """The rows in this state, or all of them with those that failed first."""
        if state:
            return [pk for pk, its in self.states.items() if its == state]
        return sorted(self.states, key=lambda pk: self.states[pk] != Status.FAILED)


def standing(job: Job) -> Standing:
    """How all rows stand, in one query; 10,000 of three photos each take some 50 ms."""
    rows = with_state(job.rows.order_by("position"))
    states, to_retry = {}, 0
    for pk, state, failed in rows.values_list("pk", "state", "photos_failed"):  # type: ignore[misc]
        states[pk] = state
        to_retry += state == Status.FAILED and failed > 0
    return Standing(states, to_retry, _busy(job))


def _busy(job: Job) -> list[Host]:
    """(What only waits for its own next try has an error.)"""
    now = timezone.now()
    waiting = job.uploads.filter(status=Status.NEW, not_before__gt=now, waits_for="").exclude(url="").order_by("host")
    held = waiting.values("host").annotate(
        photos=Count("pk"), until=Min("not_before"), blameless=Count("pk", filter=Q(error_code=""))
    )
    return [
        Host(one["host"], one["photos"], seconds_until(one["until"]))
        for one in held if one["blameless"]
    ]  # fmt: skip


def failed(jobs: Iterable[Job]) -> dict[int, int]:
    """How many rows of each of these jobs cannot run or have a photo that failed, of those that have some."""
    jobs = list(jobs)
    cannot = ProductRow.objects.filter(OPEN, job__in=jobs).order_by().values_list("job").annotate(Count("pk"))
    lost = RowPhoto.objects.filter(upload__job__in=jobs, upload__status=Status.FAILED).order_by()
    found = Counter(dict(cannot))
    found.update(dict(lost.values_list("upload__job").annotate(Count("row", distinct=True))))
    return dict(found)


def find(job: Job, text: str) -> "QuerySet[ProductRow]":
    """The rows whose line this is, or in whose serial number or name it stands."""
    said = Q(serial__icontains=text) | Q(name__icontains=text)
    return job.rows.filter(said | Q(line=int(text)) if text.isdecimal() and len(text) < 10 else said)


def changed(job: Job, since: datetime) -> dict[int, datetime]:
    """The rows of which a photo changed since then, and when."""
    links = RowPhoto.objects.filter(upload__job=job, upload__changed_at__gt=since).order_by()
    return dict(links.values_list("row_id").annotate(at=Max("upload__changed_at")).order_by("at"))


def to_retry(job: Job) -> list[int]:
    """The photos that failed or were cancelled, of the rows that failed."""
    failed = with_state(job.rows.all()).filter(state=Status.FAILED).values("pk")  # type: ignore[misc]
    ended = job.uploads.filter(status__in=[Status.FAILED, Status.CANCELLED], row_photos__row__in=failed)
    return list(ended.order_by("pk").values_list("pk", flat=True).distinct())
