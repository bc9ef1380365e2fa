"""What the house depends on and does not answer is left alone: a row per name, changed by conditional UPDATEs.

Closed: it is used. Open: nobody asks it, and what needs it waits (`ledger.parked`). Half open: one is let through.
One that an operator tripped has no time to let one through: it stays open until it is reset.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, Count, F, Q, QuerySet, When
from django.utils import timezone

from processing import queue
from processing.models import Breaker, Job, Upload

log = logging.getLogger(__name__)

State = Breaker.State
STORAGE, FETCH, MODEL, HOOKS = "storage", "fetch", "model", "hooks"  # the kinds; all but storage have a name each
FORGIVEN: dict[str, Any] = {"failures": 0, "first_failure_at": None}
CLOSED: dict[str, Any] = {
    "state": State.CLOSED, "opened_at": None, "probe_at": None, "probe": None, "tripped_by": None, **FORGIVEN
}  # fmt: skip


def fetch(host: str) -> str:
    return f"{FETCH}:{host}"


def model(name: str) -> str:
    return f"{MODEL}:{name}"


def hooks(host: str) -> str:
    return f"{HOOKS}:{host}"


def label(name: str) -> str:
    """What people call it: Storage, the host, the model."""
    kind, _, what = name.partition(":")
    return f"The model {what}" if kind == MODEL else what or kind.capitalize()


# ---- what becomes of attempts ---------------------------------------------------------------------------------------


def failed(name: str, reason: str) -> bool:
    """Count a failure; so many in a row within the window open it. Gives whether it is left alone from now on."""
    now, row = timezone.now(), _row(name)
    first = Q(failures=0) | Q(state=State.CLOSED, first_failure_at__lt=now - _window())
    counted: dict[str, Any] = {
        "failures": Case(When(first, then=1), default=F("failures") + 1),
        "first_failure_at": Case(When(first, then=now), default=F("first_failure_at")),
        "last_failure_at": now, "reason": reason[:500],
    }  # fmt: skip
    if not row.update(**counted):
        _make(name)
        row.update(**counted)
    alone = {"state": State.OPEN, "probe_at": now + _pause(), "probe": None}
    if row.filter(state=State.CLOSED, failures__gte=settings.BREAKER_FAILURES).update(opened_at=now, **alone):
        log.warning("breaker %s opens: %s", name, reason)
    row.filter(state=State.HALF_OPEN).update(**alone)
    return row.exclude(state=State.CLOSED).exists()


def succeeded(names: Iterable[str]) -> None:
    """They answered: failures are forgotten, and what was half open closes. (An attempt that ends well while it is open
    began before.)"""
    blamed = Breaker.objects.filter(name__in=names).exclude(state=State.OPEN).exclude(failures=0)
    for name in list(blamed.values_list("name", flat=True)):
        _close(_row(name).filter(state=State.HALF_OPEN), name)
        _row(name).filter(state=State.CLOSED).update(**FORGIVEN)


def let_through(name: str, pk: int) -> bool:
    """It is time that one tries: the one with this id. Where nothing comes of it, another is let through later."""
    return bool(_due(name).update(state=State.HALF_OPEN, probe=pk, probe_at=timezone.now() + _pause()))


def unneeded(name: str) -> None:
    """It is time that one tries, and none is there: it is used again, until it fails so often again."""
    _close(_due(name), name)


# ---- what operators decide ------------------------------------------------------------------------------------------


def trip(name: str, by: User) -> None:
    """It is left alone until it is reset."""
    _make(name)
    now = timezone.now()
    _row(name).filter(state=State.CLOSED).update(opened_at=now)
    _row(name).update(state=State.OPEN, probe_at=None, probe=None, tripped_by=by)
    log.warning("breaker %s is tripped by %s", name, by.pk)
    queue.push()


def reset(name: str) -> bool:
    """Whatever it was, it is used again. False where it was closed."""
    return _close(_row(name).exclude(state=State.CLOSED), name)


def probe_now(name: str) -> bool:
    """The next that waits for it is let through at once. False where it is closed, or was tripped."""
    rows = _row(name).exclude(state=State.CLOSED).exclude(probe_at=None)
    if not rows.update(probe_at=timezone.now()):
        return False
    queue.push()
    return True


# ---- how they stand -------------------------------------------------------------------------------------------------


def open_ones() -> dict[str, Breaker]:
    """Those that are not closed, by name: storage first, then models, then hosts."""
    return {row.name: row for row in Breaker.objects.filter(state__in=[State.OPEN, State.HALF_OPEN]).order_by("-name")}


def troubled() -> "QuerySet[Breaker]":
    """Those that are not closed, or failed lately: the open ones first, of these storage, then models, then hosts.

    There may be thousands: whoever shows them takes the first few.
    """
    rows = Breaker.objects.exclude(state=State.CLOSED, failures=0)
    return rows.select_related("tripped_by").order_by("-state", "-name")


def parked() -> dict[str, int]:
    """How many photos are parked behind each."""
    gone = Job.objects.filter(deleted_at__isnull=False).values("pk")
    rows = Upload.objects.exclude(waits_for="").exclude(job_id__in=gone).order_by()
    return dict(rows.values_list("waits_for").annotate(Count("pk")))


def _row(name: str) -> "QuerySet[Breaker]":
    return Breaker.objects.filter(name=name)


def _make(name: str) -> None:
    """The row is there from now on; those of what has not failed for long go, and of what nobody needs any more."""
    before = timezone.now() - _window()
    Breaker.objects.filter(Q(state=State.CLOSED, last_failure_at__lt=before) | Q(probe_at__lt=before)).delete()
    Breaker.objects.bulk_create([Breaker(name=name)], ignore_conflicts=True)


def _due(name: str) -> "QuerySet[Breaker]":
    return _row(name).exclude(state=State.CLOSED).filter(probe_at__lte=timezone.now())


def _close(row: "QuerySet[Breaker]", name: str) -> bool:
    if is_closed := bool(row.update(**CLOSED)):
        log.warning("breaker %s closes", name)
        queue.push()  # the dispatcher releases what waited for it
    return is_closed


def _window() -> timedelta:
    return timedelta(seconds=settings.BREAKER_WINDOW)


def _pause() -> timedelta:
    return timedelta(seconds=settings.BREAKER_PAUSE)
