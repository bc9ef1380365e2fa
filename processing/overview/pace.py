"""How fast photos end, drawn as bars, and how long they wait and run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import ceil

from django.db import connection
from django.utils import timezone

from processing import bars
from processing.models import Status, Upload

NEWEST = 500  # completed photos, whose times are compared
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Span:
    """A stretch of time: so many bars of `step` minutes, and a row of the table for each `stretch` bars."""

    key: str
    words: str
    bars: int
    step: int
    stretch: int


SPANS = {"h": Span("h", "the last hour", 60, 1, 15), "d": Span("d", "the last day", 96, 15, 12)}


@dataclass(frozen=True)
class Bar:
    """What ended from `at` on, for as long as a bar lasts."""

    at: datetime
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Pace:
    """Photos a minute. `now` is how many ended in the last 60 s."""

    span: Span
    bars: list[Bar]
    now: int

    @cached_property
    def most(self) -> float:
        """Of a whole bar; `now` may lie across two."""
        return max(self.now, max(bar.completed + bar.failed for bar in self.bars) / self.span.step)

    @property
    def failed(self) -> int:
        return sum(bar.failed for bar in self.bars)

    @property
    def ended(self) -> int:
        return sum(bar.completed for bar in self.bars) + self.failed

    @cached_property
    def drawn(self) -> tuple[str, str]:
        """The paths of what was completed, and of what failed."""
        return bars.paths([(bar.completed, bar.failed) for bar in self.bars])

    @property
    def axis(self) -> list[datetime]:
        """When each quarter begins."""
        return [bar.at for bar in self.bars[:: self.span.bars // 4]]

    @property
    def table(self) -> list[Bar]:
        parts = [self.bars[at : at + self.span.stretch] for at in range(0, self.span.bars, self.span.stretch)]
        return [Bar(part[0].at, sum(one.completed for one in part), sum(one.failed for one in part)) for part in parts]

    @property
    def worst(self) -> Bar | None:
        """The bar in which most failed."""
        worst = max(self.bars, key=lambda bar: bar.failed)
        return worst if worst.failed else None


# A range of an index for each bar: grouping would sort all rows, and takes ten times as long where 100,000 failed.
COUNT = """
    WITH bar (place, since, until) AS (VALUES {bars})
    SELECT (SELECT COUNT(*) FROM processing_upload
            WHERE status = 'completed' AND finished_at >= since AND finished_at < until),
           (SELECT COUNT(*) FROM processing_upload
            WHERE status = 'failed' AND finished_at >= since AND finished_at < until)
    FROM bar ORDER BY place
"""


def pace(span: Span) -> Pace:
    """What was done: photos of jobs that were deleted since are among it."""
    now, step = timezone.now(), 60 * span.step
    last = datetime.fromtimestamp(now.timestamp() // step * step, UTC)
    starts = [last - timedelta(seconds=step * back) for back in reversed(range(span.bars))]
    counts = _counts([*((since, since + timedelta(seconds=step)) for since in starts), (now - MINUTE, now)])
    *bars, newest = (Bar(at, *count) for at, count in zip([*starts, now], counts, strict=True))
    return Pace(span, bars, newest.completed + newest.failed)


def _counts(stretches: list[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    """How many were completed, and failed, in each of these."""
    said = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        values = [
            value for place, (since, until) in enumerate(stretches) for value in (place, said(since), said(until))
        ]
        cursor.execute(COUNT.format(bars=", ".join(["(%s, %s, %s)"] * len(stretches))), values)
        found: list[tuple[int, int]] = cursor.fetchall()
    return found


@dataclass(frozen=True)
class Usual:
    """Seconds that half, and 95 of 100, stay under."""

    half: float
    most: float


@dataclass(frozen=True)
class Times:
    """Of the newest completed photos of a day: how long they waited and ran, and which models they took."""

    wait: Usual | None
    run: Usual | None
    models: list[str]


def times() -> Times:
    done = Upload.objects.filter(status=Status.COMPLETED, finished_at__gte=timezone.now() - timedelta(days=1))
    rows = done.order_by("-finished_at").values_list("facts__waited", "started_at", "finished_at", "facts__model")
    found = list(rows[:NEWEST])
    return Times(
        _usual([waited for waited, *_ in found if waited is not None]),
        _usual([(end - start).total_seconds() for _, start, end, _ in found if start and end]),
        sorted({model for *_, model in found if model}),
    )


def _usual(values: list[float]) -> Usual | None:
    values.sort()
    return Usual(*(values[ceil(share * len(values)) - 1] for share in (0.5, 0.95))) if values else None
