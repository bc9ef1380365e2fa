"""The photos that count: how many are in each state, and why others failed."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from processing.errors import KINDS, is_transient
from processing.models import Job, Status, Upload
from processing.models.jobs import ASKED_AT
from processing.progress import BAR_LEAST, BAR_WIDTH, TO_REVIEW

NEWEST = 500  # failed photos, whose messages and hosts are compared


def photos() -> "QuerySet[Upload]":
    """Everybody's, of jobs that are not deleted. No join: those jobs are few, and each index here has the job in it."""
    return Upload.objects.exclude(job_id__in=Job.objects.filter(deleted_at__isnull=False).values("pk")).order_by()


@dataclass(frozen=True)
class Counts:
    """How many photos are in each state, and how many seconds one has `waited` at most for a worker; `to_review` are in
    so many `review_jobs`."""

    by_state: dict[Status, int]
    waited: float | None
    to_review: int
    review_jobs: int


def counts() -> Counts:
    flagged = photos().filter(needs_review=True)  # the state is judged beside it, so that their own index is used
    review = flagged.aggregate(
        photos=Count("pk", filter=TO_REVIEW), jobs=Count("job_id", distinct=True, filter=TO_REVIEW)
    )
    return Counts(by_state(), waited(), review["photos"], review["jobs"])


def by_state() -> dict[Status, int]:
    """How many photos are in each."""
    rows = photos().values_list("status").annotate(Count("pk"))
    return dict.fromkeys(Status, 0) | {Status(status): count for status, count in rows}


def oldest() -> datetime | None:
    """When the photo was asked for that waits longest for a worker, be it held by a pause or backing off.

    What is still to arrive is not in line yet, and what is parked behind a breaker waits for that: both are told apart.
    """
    in_line = photos().filter(status=Status.QUEUED, waits_for="")
    since: datetime | None = in_line.aggregate(since=Min(ASKED_AT))["since"]
    return since


def waited() -> float | None:
    """Seconds since then."""
    since = oldest()
    return (timezone.now() - since).total_seconds() if since else None


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
