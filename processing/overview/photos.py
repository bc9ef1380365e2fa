"""The photos that count: how many are in each state, and why others failed."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from processing.errors import KINDS, is_transient
from processing.models import Job, Status, Upload
from processing.models.jobs import ACTIVE
from processing.progress import BAR_LEAST, BAR_WIDTH, TO_REVIEW

NEWEST = 500  # failed photos, whose messages and hosts are compared


def photos() -> "QuerySet[Upload]":
    """Everybody's, of jobs that are not deleted. No join: those jobs are few, and each index here has the job in it."""
    return Upload.objects.exclude(job_id__in=Job.objects.filter(deleted_at__isnull=False).values("pk")).order_by()


@dataclass(frozen=True)
class Counts:
    """How many photos are on their way. `arriving` are still in their ZIP or at their address; `oldest` is when the one
    was queued that waits longest and for no breaker; `to_review` are in so many `review_jobs`."""

    arriving: int
    queued: int
    processing: int
    oldest: datetime | None
    to_review: int
    review_jobs: int


def counts() -> Counts:
    rows = photos().filter(status__in=ACTIVE).values("status")
    rows = rows.annotate(count=Count("*"), oldest=Min("queued_at", filter=Q(waits_for="")))
    found: dict[str, dict[str, Any]] = {row["status"]: dict(row) for row in rows}
    nothing: dict[str, Any] = {"count": 0, "oldest": None}
    arriving, queued, processing = (found.get(status, nothing) for status in ACTIVE)
    flagged = photos().filter(needs_review=True)  # the state is judged beside it, so that their own index is used
    review = flagged.aggregate(
        photos=Count("pk", filter=TO_REVIEW), jobs=Count("job_id", distinct=True, filter=TO_REVIEW)
    )
    return Counts(
        arriving["count"], queued["count"], processing["count"], queued["oldest"], review["photos"], review["jobs"]
    )


@dataclass(frozen=True)
class Failure:
    """The photos that failed with one code. `often` says what most of the newest have in common, where that is more
    than the code; `width` is their share of all, in thousandths; `retry` whether trying again alone can help."""

    code: str
    count: int
    newest: datetime | None
    message: str
    remedy: str
    often: str
    retry: bool
    width: int
    example: Upload

    @property
    def query(self) -> str:
        """The filter that finds them."""
        return f"state:failed error:{self.code}" if self.code else "state:failed"


@dataclass(frozen=True)
class Failures:
    total: int
    newest: datetime | None
    kinds: list[Failure]


def failures() -> Failures:
    """All that failed and was not tried again, by code, most first."""
    failed = photos().filter(status=Status.FAILED)
    rows = failed.values_list("error_code").annotate(count=Count("*"), newest=Max("finished_at"), example=Max("pk"))
    found = sorted(rows, key=lambda row: (-row[1], row[0]))
    shown = Upload.objects.only("name", "error_code", "error_message", "error_remedy").in_bulk(
        [row[3] for row in found]
    )
    said, total = _said(failed), sum(row[1] for row in found)
    kinds = [
        Failure(
            code, count, newest, *_words(shown[pk]), _often(said[code]), is_transient(code),
            max(BAR_LEAST, BAR_WIDTH * count // total), shown[pk],
        )
        for code, count, newest, pk in found if pk in shown
    ]  # fmt: skip
    return Failures(total, max((row[2] for row in found if row[2]), default=None), kinds)


def _said(failed: "QuerySet[Upload]") -> dict[str, list[tuple[str, str]]]:
    """By code, the messages and hosts of the newest."""
    said: dict[str, list[tuple[str, str]]] = defaultdict(list)
    rows = failed.order_by("-finished_at").values_list("error_code", "error_message", "host")
    for code, message, host in rows[:NEWEST]:
        said[code].append((message, host))
    return said


def _words(example: Upload) -> tuple[str, str]:
    """Its sentence and its remedy: as they were stored, else what the code alone tells."""
    kind = KINDS.get(example.error_code)
    if example.error_message or not kind:
        return example.error_message, example.error_remedy
    sentence, remedy = ("" if "{" in text else text for text in (kind.sentence, kind.remedy))
    return sentence, remedy


def _often(said: list[tuple[str, str]]) -> str:
    """What at least half of several say, where not all say the same anyway; and where they come from."""
    words = []
    for place, kind in ((1, "from {}"), (0, "“{}”")):
        values = Counter(one[place].rstrip(".") for one in said)
        text, times = values.most_common(1)[0] if values else ("", 0)
        if text and times > 1 and 2 * times >= len(said) and (place or len(values) > 1):
            words.append(f"{times:,} of the newest {len(said):,} {kind.format(text)}")
    return "; ".join(words)
