"""A photo as its tile shows it: its state in words, its pictures, its place in line."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from processing import progress, show
from processing.models import Job, Status, Upload, Variant
from processing.models.jobs import ACTIVE, Verdict

REVIEW = "review"  # how a completed photo is shown that somebody should look at
WORDS = {"new": "Arriving", "queued": "Queued", "completed": "Completed", "failed": "Failed", "cancelled": "Cancelled"}
SEEN_IN_BROWSERS = ("png", "jpg", "jpeg", "webp", "avif", "gif", "bmp")


@dataclass(frozen=True)
class Picture:
    """A picture to show: where, and its size in px."""

    url: str
    width: int
    height: int


@dataclass(frozen=True)
class Card:
    """A photo as a tile shows it. `head` and `tail` are its name, to be cut in the middle; `files` are by name."""

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
    files: dict[str, Variant]
    upload: Upload

    @property
    def thumbnail(self) -> Picture | None:
        found = (self.files.get(name) for name in ("thumbnail", "preview", "source-thumbnail"))
        return picture(next(filter(None, found), None))

    @property
    def after(self) -> Picture | None:
        return picture(self.files.get("preview")) or self.whole

    @property
    def before(self) -> Picture | None:
        return picture(self.files.get("source-preview")) or self.original

    @property
    def is_same_frame(self) -> bool:
        """Whether before and after can lie upon each other."""
        shown = [(one.width, one.height) for one in (self.before, self.after) if one]
        return len(shown) == 2 and shown[0] == shown[1]

    @property
    def whole(self) -> Picture | None:
        """The result itself, where browsers can show it."""
        return picture(self.result) if self.result and self.result.format in SEEN_IN_BROWSERS else None

    @property
    def original(self) -> Picture | None:
        """The original itself, where browsers can show it."""
        upload = self.upload
        if not upload.source or upload.source_format not in SEEN_IN_BROWSERS:
            return None
        address = f"{reverse('photo-file', args=[upload.pk, 'original'])}?v={upload.source_sha256[:8]}"
        return Picture(address, upload.source_width or 0, upload.source_height or 0)

    @property
    def result(self) -> Variant | None:
        return self.files.get("result")

    @property
    def pair(self) -> list[Picture | None]:
        """The original and the result, small, to be seen side by side."""
        return [picture(self.files.get(name)) for name in ("source-thumbnail", "thumbnail")]

    @property
    def is_at_work(self) -> bool:
        """Worked on, or being fetched."""
        upload = self.upload
        return upload.status == Status.PROCESSING or (upload.status == Status.NEW and upload.claim is not None)

    @property
    def can_retry(self) -> bool:
        """Not where the original is kept no longer, and has no address."""
        upload = self.upload
        return self.state in (Status.FAILED, Status.CANCELLED) and not (upload.source_removed_at and not upload.url)

    @property
    def can_cancel(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_parked(self) -> bool:
        """What it needs does not answer, and it waits for that."""
        return bool(self.upload.waits_for)

    @property
    def is_completed(self) -> bool:
        return self.upload.status == Status.COMPLETED

    @property
    def can_undo(self) -> bool:
        """Whether there is a verdict or a redo to take back."""
        facts = self.upload.facts
        return bool(facts) if self.can_cancel else self.upload.verdict == Verdict.ACCEPTED or "replaced" in facts

    @property
    def changes(self) -> object:
        """Equal as long as the photo looks the same."""
        return self.upload.changed_at, self.place, len(self.upload.made)


def of(uploads: Iterable[Upload], job: Job) -> list[Card]:
    """The tiles of these photos of one job (with `made` prefetched)."""
    uploads = list(uploads)
    waiting = [upload.pk for upload in uploads if upload.status == Status.QUEUED and not upload.waits_for]
    places = progress.places(job, waiting) if waiting else {}
    return [one(upload, places.get(upload.pk)) for upload in uploads]


def one(upload: Upload, place: int | None = None) -> Card:
    """The tile of a photo (with `made` prefetched)."""
    made = {variant.name: variant for variant in upload.made if variant.status == Variant.Status.COMPLETED}
    cut = max(0, len(upload.name) - 8)
    told = upload.status == Status.FAILED or upload.waits_for
    return Card(
        id=upload.pk, job_id=upload.job_id, name=upload.name, head=upload.name[:cut], tail=upload.name[cut:],
        state=state_of(upload), status=_words(upload, made, place), step=upload.step, steps_done=upload.steps_done,
        steps_total=upload.steps_total, place=place, message=upload.error_message if told else "",
        remedy=upload.error_remedy if told else "", files=made, upload=upload,
    )  # fmt: skip


def state_of(upload: Upload) -> str:
    """The state that is shown: what is flagged stands beside what is simply completed."""
    if upload.status == Status.COMPLETED and upload.needs_review:
        return REVIEW
    return Status.QUEUED if upload.status == Status.NEW else upload.status


def picture(variant: Variant | None) -> Picture | None:
    if variant is None:
        return None
    address = reverse("photo-file", args=[variant.upload_id, variant.name])
    return Picture(f"{address}?v={variant.pk}-{variant.sha256[:8]}", variant.width, variant.height)


def _words(upload: Upload, made: dict[str, Variant], place: int | None) -> str:
    if upload.waits_for:
        return f"Waits: {upload.error_message.removesuffix('.')}"
    seconds = _seconds_to_wait(upload)
    match upload.status:
        case Status.PROCESSING:
            return upload.step or "Starting"
        case Status.NEW if upload.url and upload.claim:
            return "Fetching"
        case Status.NEW if seconds and not upload.error_code:
            return f"Waits for {upload.host}"
        case Status.NEW | Status.QUEUED if seconds:
            return f"Again in {seconds} s, try {upload.attempts + 1}"
        case Status.NEW if upload.url:
            return "To be fetched"
        case Status.QUEUED:
            return {None: "Queued", 1: "Next in line"}.get(place, f"In line: {place}")
        case Status.COMPLETED if upload.needs_review:
            return upload.review_reason or "To review"
        case Status.COMPLETED if "result" in made:
            return _saved(upload.source_bytes or 0, made["result"].bytes)
    return WORDS[upload.status]


def _seconds_to_wait(upload: Upload) -> int:
    """Until its next try; 0 where it may begin."""
    return max(0, round((upload.not_before - timezone.now()).total_seconds())) if upload.not_before else 0


def _saved(before: int, after: int) -> str:
    if not before or after >= before:
        return show.size(after)
    return f"{show.size(after)}, {100 - 100 * after // before}% smaller"


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
        small = picture(variant)
        if small:
            found.setdefault(variant.upload.job_id, {}).setdefault(variant.upload_id, small)
    return {job_id: list(shown.values()) for job_id, shown in found.items()}
