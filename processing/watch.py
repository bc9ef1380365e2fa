"""What a watcher of a job sees: the values of its fragments, and what changed since a moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Prefetch, QuerySet, Value, When
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from processing import progress, show
from processing.models import Job, Status, Upload, Variant
from processing.models.jobs import ACTIVE
from processing.progress import Progress

FIRST_PAGE, PAGE, MOST_LOADED = 200, 100, 10_000
LONGEST_LOOK = 30 * 86400  # seconds; a page that stood open for longer is shown everything
OVERLAP = timedelta(seconds=3)  # a transaction may commit later than the moment that it wrote down
WORDS = {"new": "Arriving", "queued": "Queued", "completed": "Completed", "failed": "Failed", "cancelled": "Cancelled"}


@dataclass(frozen=True)
class Picture:
    """A picture to show: where, and its size in px."""

    url: str
    width: int
    height: int


@dataclass(frozen=True)
class Card:
    """A photo as a tile shows it. `head` and `tail` are its name, to be cut in the middle."""

    id: int
    job_id: int
    name: str
    head: str
    tail: str
    state: str
    status: str
    step: str
    steps_done: int
    steps_total: int
    place: int | None
    message: str
    remedy: str
    thumbnail: Picture | None
    preview: Picture | None
    source_preview: Picture | None
    result: Variant | None
    upload: Upload

    @property
    def can_retry(self) -> bool:
        return self.state in (Status.FAILED, Status.CANCELLED)

    @property
    def can_cancel(self) -> bool:
        return self.state in ACTIVE

    @property
    def changes(self) -> object:
        """Equal as long as the photo looks the same."""
        return self.upload.changed_at, self.place, len(self.upload.made)


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
    return text if text in Status.values else ""


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
    if state:
        return rows.filter(status=state).order_by("position")
    return rows.order_by(Case(When(status=Status.FAILED, then=Value(0)), default=Value(1)), "position")


def cards(uploads: Iterable[Upload], job: Job) -> list[Card]:
    """The tiles of these photos of one job (with `made` prefetched)."""
    uploads = list(uploads)
    waiting = [upload.pk for upload in uploads if upload.status == Status.QUEUED]
    places = progress.places(job, waiting) if waiting else {}
    return [_card(upload, places.get(upload.pk)) for upload in uploads]


def _card(upload: Upload, place: int | None) -> Card:
    made: dict[str, Variant] = {
        variant.name: variant for variant in upload.made if variant.status == Variant.Status.COMPLETED
    }
    done = upload.status == Status.COMPLETED
    small = (made.get("thumbnail") if done else None) or made.get("source-thumbnail")
    cut = max(0, len(upload.name) - 8)
    return Card(
        id=upload.pk, job_id=upload.job_id, name=upload.name, head=upload.name[:cut], tail=upload.name[cut:],
        state=Status.QUEUED if upload.status == Status.NEW else upload.status, status=_words(upload, made, place),
        step=upload.step, steps_done=upload.steps_done, steps_total=upload.steps_total, place=place,
        message=upload.error_message if upload.status == Status.FAILED else "",
        remedy=upload.error_remedy if upload.status == Status.FAILED else "",
        thumbnail=_picture(small), preview=_picture(made.get("preview")),
        source_preview=_picture(made.get("source-preview")), result=made.get("result"), upload=upload,
    )  # fmt: skip


def _picture(variant: Variant | None) -> Picture | None:
    if variant is None:
        return None
    address = reverse("photo-file", args=[variant.upload_id, variant.name])
    return Picture(f"{address}?v={variant.pk}-{variant.sha256[:8]}", variant.width, variant.height)


def _words(upload: Upload, made: dict[str, Variant], place: int | None) -> str:
    match upload.status:
        case Status.PROCESSING:
            return upload.step or "Starting"
        case Status.QUEUED if upload.not_before and upload.not_before > timezone.now():
            seconds = round((upload.not_before - timezone.now()).total_seconds())
            return f"Again in {seconds} s, try {upload.attempts + 1}"
        case Status.QUEUED:
            return {None: "Queued", 1: "Next in line"}.get(place, f"In line: {place}")
        case Status.COMPLETED if "result" in made:
            return _saved(upload.source_bytes or 0, made["result"].bytes)
    return WORDS[upload.status]


def _saved(before: int, after: int) -> str:
    if not before or after >= before:
        return show.size(after)
    return f"{show.size(after)}, {100 - 100 * after // before}% smaller"


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
    found = [] if view.photo else cards(rows, view.job)
    photo = None
    if view.photo:
        photo = next(iter(cards(photos(view.job).filter(pk=view.photo), view.job)), None)
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
        context |= photo(found.photo)
    return context


def photo(card: Card) -> dict[str, object]:
    """The context of one photo's fragment: its card, its facts and its timings, in words."""
    return {"card": card, "facts": _facts(card), "timings": _timings(card.upload.facts.get("timings", {}))}


def _facts(card: Card) -> list[tuple[str, str]]:
    upload, result, known = card.upload, card.result, card.upload.facts
    found = [("Sent as", upload.sent_name)]
    if upload.source_bytes:
        found.append(
            ("Original", _kind(upload.source_width, upload.source_height, upload.source_format, upload.source_bytes))
        )
    if result:
        found.append(("Result", _kind(result.width, result.height, result.format, result.bytes)))
    if known.get("model"):
        found.append(("Model", f"{known['model']} {known.get('model_checksum', '')[:12]}".strip()))
    if known.get("faces") is not None:
        found.append(("Faces", str(known["faces"])))
    if upload.attempts > 1:
        found.append(("Tries", str(upload.attempts)))
    return found


def _kind(width: int | None, height: int | None, format: str, count: int) -> str:
    return f"{width} × {height} {format.upper()}, {show.size(count)}"


def _timings(seconds: dict[str, float]) -> list[tuple[str, float, int, int]]:
    """(label, seconds, where its stretch begins, its width), the latter two in thousandths of the whole."""
    whole, at, found = sum(seconds.values()) or 1, 0.0, []
    for label, took in seconds.items():
        found.append((label.capitalize(), took, round(1000 * at / whole), max(4, round(1000 * took / whole))))
        at += took
    return found


def pictures(jobs: Iterable[Job]) -> dict[int, list[Picture]]:
    """Up to three small pictures of each job."""
    rows = (
        Variant.objects.filter(
            upload__job__in=list(jobs), upload__position__lt=3, status=Variant.Status.COMPLETED,
            name__in=["thumbnail", "source-thumbnail"],
        )
        .order_by("upload__position", "-name")
        .select_related("upload")
    )  # fmt: skip
    found: dict[int, dict[int, Picture]] = {}
    for variant in rows:
        picture = _picture(variant)
        if picture:
            found.setdefault(variant.upload.job_id, {}).setdefault(variant.upload_id, picture)
    return {job_id: list(shown.values()) for job_id, shown in found.items()}
