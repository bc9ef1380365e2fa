"""What a watcher of a job sees: the values of its fragments, and what changed since a moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Prefetch, QuerySet, Value, When
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from processing import cards, progress, sheet
from processing.cards import REVIEW, Card
from processing.models import Job, Status, Upload
from processing.progress import TO_REVIEW, Progress

FIRST_PAGE, PAGE, MOST_LOADED = 200, 100, 10_000
LONGEST_LOOK = 30 * 86400  # seconds; a page that stood open for longer is shown everything
OVERLAP = timedelta(seconds=3)  # a transaction may commit later than the moment that it wrote down


@dataclass(frozen=True)
class View:
    """What of a job is being looked at: one state's photos, or all; how many are loaded; or one photo's page."""

    job: Job
    state: str = ""
    loaded: int = FIRST_PAGE
    photo: int | None = None


@dataclass(frozen=True)
class Changes:
    """The whole progress and the cards that changed; `until` is where the next look begins."""

    job: Job
    state: str
    progress: Progress
    cards: list[Card]
    photo: Card | None
    until: datetime


def state_of(text: str) -> str:
    """The state that somebody filters by; empty for anything else."""
    return text if text in Status.values or text == REVIEW else ""


def view(job: Job, asked: Mapping[str, str]) -> View:
    """What somebody asks to see of a job, in the words of an address; odd words count as none."""
    loaded = number(asked.get("loaded", "")) or FIRST_PAGE
    photo = number(asked.get("photo", "")) or None
    return View(job, state_of(asked.get("state", "")), min(loaded, MOST_LOADED), photo)


def photos(job: Job, state: str = "") -> "QuerySet[Upload]":
    """The photos of a job, those that need somebody first, then in the order in which they came."""
    rows = job.uploads.prefetch_related(Prefetch("variants", to_attr="made"))  # type: ignore[no-redef]
    if state == Status.QUEUED:
        return rows.filter(status__in=[Status.NEW, Status.QUEUED]).order_by("position")
    if state == REVIEW:
        return rows.filter(TO_REVIEW).order_by("position")
    if state:
        return rows.filter(status=state).order_by("position")
    first = Case(When(status=Status.FAILED, then=Value(0)), When(TO_REVIEW, then=Value(1)), default=Value(2))
    return rows.order_by(first, "position")


def changed(view: View, since: datetime) -> dict[int, datetime]:
    """The photos that changed since then, and when."""
    rows = view.job.uploads.filter(changed_at__gt=since - OVERLAP).order_by("changed_at")
    return dict(rows.values_list("pk", "changed_at"))


def changes(view: View, since: datetime | None, only: Iterable[int] | None = None) -> Changes:
    """What changed since then, or `only` these photos; everything that is loaded, without either."""
    until = timezone.now()
    rows = photos(view.job, view.state if since is None else "")
    if since is None:
        rows = rows[: view.loaded]
    elif not view.photo:
        rows = rows.filter(pk__in=list(changed(view, since) if only is None else only))
    found = [] if view.photo else cards.of(rows, view.job)
    photo = None
    if view.photo:
        photo = next(iter(cards.of(photos(view.job).filter(pk=view.photo), view.job)), None)
    return Changes(view.job, view.state, progress.of(view.job), found, photo, until)


def moment(text: str) -> datetime | None:
    """The moment that a page was made, as it says itself; None where it does not, or where it cannot be."""
    try:
        found = parse_datetime(text)
        said = found and found.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    now = timezone.now()
    if not found or not said or timezone.is_naive(found) or abs(now.timestamp() - said) > LONGEST_LOOK:
        return None
    return found


def number(text: str) -> int | None:
    """A whole number that can be that of a row; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def fragments(found: Changes) -> dict[str, object]:
    """The context of `jobs/_changes.html`."""
    context: dict[str, object] = {
        "changes": found,
        "cards": found.cards,
        "job": found.job,
        "progress": found.progress,
        "state": found.state,
    }
    if found.photo:
        context |= sheet.of(found.photo)
    return context
