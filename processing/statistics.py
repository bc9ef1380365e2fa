"""How many photos people sent, what became of them and how much smaller they got, from the tally. (What counts as what
is said there.)"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from processing.models import Tally

FIELDS = ("jobs", "photos", "completed", "failed", "attempts", "bytes_before", "bytes_after")
DAYS = 30
RECENT, ALL_TIME = f"{DAYS} days", "All time"


@dataclass(frozen=True)
class Numbers:
    """Of one day or several, of one person or several. A photo may come on one day and be completed on another."""

    jobs: int = 0
    photos: int = 0
    completed: int = 0
    failed: int = 0
    attempts: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    @property
    def ended(self) -> int:
        """How often a photo was completed or failed."""
        return self.completed + self.failed

    @property
    def success(self) -> float | None:
        """The part of those that were completed, in percent; rounded down, so that 100 means all."""
        return self.completed * 1000 // self.ended / 10 if self.ended else None

    @property
    def attempts_each(self) -> float | None:
        """1 where each ended at its first; those of redos are among them."""
        return self.attempts / self.ended if self.ended else None


@dataclass(frozen=True)
class Statistics:
    """`days` has one for each, the last is today; `spans` the sums of the last 7, of all of these, and of all time."""

    days: dict[date, Numbers]
    spans: dict[str, Numbers]


def of(owner_id: int | None) -> Statistics:
    """Of one person, or of everybody; in two queries."""
    rows = Tally.objects.filter(owner=owner_id) if owner_id else Tally.objects.all()
    dates = _dates()
    by_day = _summed(rows.filter(day__gte=dates[0]), "day")
    each = {day: by_day.get(day, Numbers()) for day in dates}
    spans = {"7 days": add(list(each.values())[-7:]), RECENT: add(each.values())}
    return Statistics(each, spans | {ALL_TIME: Numbers(**rows.aggregate(**_sums()))})


def by_person() -> list[tuple[str, Numbers]]:
    """Everybody of whom there is something to tell of the last 30 days, by name, most photos first; one query."""
    found = _summed(Tally.objects.filter(day__gte=_dates()[0]), "owner__username")
    return sorted(found.items(), key=lambda one: (-one[1].photos, one[0]))


def add(some: Iterable[Numbers]) -> Numbers:
    """All of them together."""
    each = list(some)
    return Numbers(**{name: sum(getattr(one, name) for one in each) for name in FIELDS})


def _dates() -> list[date]:
    today = timezone.localdate()
    return [today - timedelta(days=ago) for ago in reversed(range(DAYS))]


def _summed(rows: "QuerySet[Tally]", by: str) -> dict[Any, Numbers]:
    found = rows.annotate(by=F(by)).values_list("by").annotate(**_sums("sum_")).order_by()
    return {key: Numbers(*numbers) for key, *numbers in found}


def _sums(prefix: str = "") -> dict[str, Sum]:
    """In the order of FIELDS; the prefix keeps them apart from the columns."""
    return {f"{prefix}{name}": Sum(name, default=0) for name in FIELDS}
