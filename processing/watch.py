"""What a watcher of a job sees: the values of its fragments, and what changed since a moment."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Protocol
from weakref import WeakSet

from django.db.models import Case, Prefetch, QuerySet, Value, When
from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from processing import cards, product_rows, progress, row_cards, sheet
from processing.cards import REVIEW, Card
from processing.models import Job, Status, Upload
from processing.product_rows import Standing
from processing.progress import TO_REVIEW, Progress
from processing.row_cards import RowCard

PAGE = 100  # photos, or rows of a product CSV
MOST_AT_ONCE = 500  # cards in one answer
MOST_LOADED = 10_000
LONGEST_LOOK = 30 * 86400  # seconds; a page that stood open for longer is shown everything
OVERLAP = timedelta(seconds=3)  # a transaction may commit later than the moment that it wrote down


class Socket(Protocol):
    whose: str


OPEN: "WeakSet[Socket]" = WeakSet()  # to this process

Ranges = tuple[tuple[int, int], ...]  # of ids, first and last; in order, with gaps between them


@dataclass(frozen=True)
class View:
    """What of a job is being looked at: one state's photos, or all, or one photo's page, or the rows of a product CSV.

    Of photos and rows only those that are `shown` matter; all of them where none are named.
    """

    job: Job
    state: str = ""
    photo: int | None = None
    by_row: bool = False
    shown: Ranges = ()

    def shows(self, pk: int) -> bool:
        before = bisect_right(self.shown, pk, key=itemgetter(0))
        return not self.shown or (before > 0 and pk <= self.shown[before - 1][1])

    def page(self, ids: Iterable[int]) -> list[int]:
        """Those that somebody sees who just came: what is shown, else the first page."""
        return list(islice(filter(self.shows, ids), MOST_AT_ONCE if self.shown else PAGE))


@dataclass(frozen=True)
class Changes:
    """The whole progress and the cards that changed; `until` is where the next look begins.

    Where rows are looked at, their cards, and how all of them stand.
    """

    job: Job
    state: str
    progress: Progress
    cards: Sequence[Card | RowCard]
    photo: Card | None
    until: datetime
    standing: Standing | None = None

    @property
    def template(self) -> str:
        return "products/_changes.html" if self.standing else "jobs/_changes.html"

    @property
    def whole(self) -> object:
        """Equal as long as nothing but cards changed."""
        far, rows = self.progress, self.standing
        photo, stand = self.photo and self.photo.changes, rows and (rows.counts, rows.to_retry, rows.hosts)
        return far.counts, far.to_review, far.left, far.is_open, far.is_paused, far.hosts, photo, stand


def state_of(text: str) -> str:
    """The state that somebody filters by; empty for anything else."""
    return text if text in Status.values or text == REVIEW else ""


def view(job: Job, asked: Mapping[str, str]) -> View:
    """What somebody asks to see of a job, in the words of an address; odd words count as none."""
    photo = number(asked.get("photo", "")) or None
    shown = ranges(asked.get("shown", ""))
    return View(job, state_of(asked.get("state", "")), photo, by_row=bool(asked.get("rows")), shown=shown)


def ranges(text: str) -> Ranges:
    """Ids as a page names those that it shows: 17-216,300. Empty where one of them cannot be read or ends before it
    begins, and where they are more than 10,000."""
    found = []
    for part in text.split(",", MOST_LOADED - 1):
        begin, _, end = part.partition("-")
        first, last = number(begin), number(end or begin)
        if first is None or last is None or last < first:
            return ()
        found.append((first, last))
    return _merged(found)


def _merged(found: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def named(texts: Iterable[str]) -> list[int]:
    """The ids of such ranges, in order; none where one of the texts cannot be read. Raises Http404 where they are more
    than 10,000: a list is taken whole, or not at all."""
    read = [ranges(text) for text in texts]
    spans = _merged(chain.from_iterable(read)) if all(read) else ()
    if sum(last - first + 1 for first, last in spans) > MOST_LOADED:
        raise Http404(f"More than {MOST_LOADED} are named.")
    return [pk for first, last in spans for pk in range(first, last + 1)]


def in_short(ids: Iterable[int]) -> str:
    """Ids in their order, as `ranges` reads them."""
    runs = (list(run) for _, run in groupby(enumerate(ids), key=lambda one: one[1] - one[0]))
    return ",".join(f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs)


def photos(job: Job) -> "QuerySet[Upload]":
    """The photos of a job as they came, with what their cards need."""
    return job.uploads.order_by("position").prefetch_related(Prefetch("variants", to_attr="made"))  # type: ignore[no-redef]


def in_turn(job: Job, state: str = "") -> "QuerySet[Upload, int]":
    """The ids of a job's photos, those that need somebody first, then in the order in which they came."""
    return _sorted(job.uploads.all(), state).values_list("pk", flat=True)


def _sorted(rows: "QuerySet[Upload]", state: str) -> "QuerySet[Upload]":
    if state == Status.QUEUED:
        return rows.filter(status__in=[Status.NEW, Status.QUEUED]).order_by("position")
    if state == REVIEW:
        return rows.filter(TO_REVIEW).order_by("position")
    if state:
        return rows.filter(status=state).order_by("position")
    first = Case(When(status=Status.FAILED, then=Value(0)), When(TO_REVIEW, then=Value(1)), default=Value(2))
    return rows.order_by(first, "position")


def changed(view: View, since: datetime) -> dict[int, datetime]:
    """The photos that changed since then, or the rows that are shown, and when."""
    if view.by_row:
        found = product_rows.changed(view.job, since - OVERLAP)
    else:
        rows = view.job.uploads.filter(changed_at__gt=since - OVERLAP).order_by("changed_at")
        found = dict(rows.values_list("pk", "changed_at"))
    return {pk: at for pk, at in found.items() if view.shows(pk)}


def changes(
    view: View, since: datetime | None, only: Iterable[int] | None = None, standing: Standing | None = None
) -> Changes:
    """What changed since then, or `only` these photos or rows; the page that somebody sees, without either.

    How the rows stand is asked for, where it is not known already.
    """
    if view.by_row:
        return _row_changes(view, since, only, standing or product_rows.standing(view.job))
    until = timezone.now()
    if view.photo:
        only = [view.photo]
    elif since is None:
        only = view.page(in_turn(view.job, view.state))
    elif only is None:
        only = changed(view, since)
    found = cards.of(photos(view.job).filter(pk__in=list(only)), view.job)
    photo = next(iter(found), None) if view.photo else None
    return Changes(view.job, view.state, progress.of(view.job), [] if view.photo else found, photo, until)


def _row_changes(view: View, since: datetime | None, only: Iterable[int] | None, standing: Standing) -> Changes:
    until = timezone.now()
    if since is None:
        only = view.page(standing.in_turn(view.state))
    elif only is None:  # what was mended may have no photo that tells of it
        mended = view.job.rows.filter(mended__isnull=False).values_list("pk", flat=True)
        only = dict.fromkeys([*changed(view, since), *filter(view.shows, mended)])
    found = row_cards.of(view.job, only)
    return Changes(view.job, view.state, progress.of(view.job), found, None, until, standing)


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


def page(text: str) -> int:
    """The number of a page of cards, from 1; odd words mean the first."""
    return min(max(1, number(text) or 1), 100_000)


def stretch(page: int) -> tuple[int, int]:
    """The places at which a page begins and ends."""
    return (page - 1) * PAGE, page * PAGE


def number(text: str) -> int | None:
    """A whole number that can be that of a row; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def fragments(found: Changes) -> dict[str, object]:
    """The context of its template."""
    context: dict[str, object] = {
        "changes": found,
        "cards": found.cards,
        "job": found.job,
        "progress": found.progress,
        "state": found.state,
        "standing": found.standing,
    }
    if found.photo:
        context |= sheet.of(found.photo)
    return context
