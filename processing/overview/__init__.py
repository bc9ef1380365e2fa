"""How the queue stands, for operators: what waits, runs and fails, why, and what the work depends on.

Always the same number of queries, each on an index; none grows with what is completed.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from processing import breaker, pauses, steering
from processing.models import BulkAct
from processing.overview import house, pace, photos
from processing.overview.house import Needed, Space, Webhooks, Workers
from processing.overview.pace import SPANS, Pace, Times
from processing.overview.photos import Counts, Failures
from processing.pauses import Hold
from processing.turns import SMALL_JOB

SHARED = 1.0  # seconds that all sockets and polls of a process are shown the same
ENDED = timedelta(minutes=1)  # that an act is shown once it has ended
FRAGMENTS = ("steer", "banner", "acts", "counts", "pace", "workers", "breakers", "failures")  # templates/queue/_….html


@dataclass(frozen=True)
class Overview:
    at: datetime
    counts: Counts
    failures: Failures
    pace: Pace
    times: Times
    workers: Workers
    breakers: list[Needed]
    parked: int  # photos, behind all breakers
    troubled: int  # breakers that are not well, also those that are not shown
    space: Space | None
    webhooks: Webhooks
    pauses: list[Hold]
    acts: list[BulkAct]

    @property
    def pause(self) -> Hold | None:
        """That of the whole queue."""
        return next((one for one in self.pauses if one.is_whole), None)

    @property
    def small_pauses(self) -> list[Hold]:
        """Those of one person or one job."""
        return [one for one in self.pauses if not one.is_whole]

    @property
    def open_breakers(self) -> list[Needed]:
        return [one for one in self.breakers if not one.is_closed]


def snapshot(span: str = "h") -> Overview:
    """How it stands now; the pace over an hour (`h`) or a day (`d`)."""
    times, parked = pace.times(), breaker.parked()
    return Overview(
        timezone.now(), photos.counts(), photos.failures(), pace.pace(SPANS[span]), times, house.workers(times.run),
        house.breakers(parked, times.models), sum(parked.values()), breaker.troubled().count(), house.space(),
        house.webhooks(), pauses.all_ones(), _acts(),
    )  # fmt: skip


def _acts() -> list[BulkAct]:
    """Those that go on, and those that ended a moment ago: who waits for one is to see what came of it."""
    rows = BulkAct.objects.filter(Q(ended_at=None) | Q(ended_at__gt=timezone.now() - ENDED))
    return list(rows.select_related("by", "stopped_by").order_by("pk"))


@dataclass
class Shared:
    """The newest snapshot of each span, for all who look within a second."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: dict[str, tuple[float, Overview]] = field(default_factory=dict)
    forgotten_at: float = 0.0

    def get(self, span: str) -> Overview:
        with self.lock:  # who comes meanwhile waits for the one that is made
            now = time.monotonic()
            begun_at, found = self.kept.get(span, (0.0, None))
            if found is None or begun_at <= self.forgotten_at or now - begun_at > SHARED:
                found = snapshot(span)
                self.kept[span] = now, found
            return found

    def forget(self) -> None:
        """Somebody changed something: the next who looks shall see it, also where one is being made just now."""
        self.forgotten_at = time.monotonic()


shared = Shared()


def span_of(text: str) -> str:
    """Odd words mean an hour."""
    return text if text in SPANS else "h"


def context(now: Overview, person: User) -> dict[str, Any]:
    """What the fragments are rendered with."""
    return {
        "overview": now,
        "span": now.pace.span.key,
        "may": steering.acts(person),
        "most_workers": settings.MOST_WORKERS,
        "memory_limit": settings.WORKER_MEMORY,
        "photos_each": settings.PHOTOS_PER_WORKER,
        "small_job": SMALL_JOB,
    }


def fragments(span: str, person: User) -> dict[str, str]:
    """By name, as a socket or a poll sends them: forms in them carry no CSRF token, as a script adds it."""
    shown = context(shared.get(span), person)
    return {name: render_to_string(f"queue/_{name}.html", shown) for name in FRAGMENTS}
