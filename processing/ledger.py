"""The only writer of `Upload.status`. Each change is one conditional UPDATE; where it changes no row, somebody else
moved the upload, and the caller stops quietly."""

import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from processing import announce, doubts, outbox, queue, storage, variants
from processing.errors import ClaimLost, PhotoError
from processing.models import Archive, EventType, Job, Status, Upload
from processing.models.jobs import ACTIVE, Verdict, is_due
from processing.recipe import Recipe

NO_CLAIM: dict[str, Any] = {"claim": None, "lease_until": None, "nudged_at": None}
NO_ERROR = {"error_code": "", "error_message": "", "error_remedy": "", "error_detail": ""}
NO_STEP: dict[str, Any] = {"step": "", "steps_done": 0, "steps_total": 0}
FRESH: dict[str, Any] = {"attempts": 0, "not_before": None, **NO_CLAIM, **NO_ERROR, **NO_STEP}
STANDS = ~Q(facts={})  # facts are written with a result, and by nobody else


@dataclass(frozen=True)
class Claim:
    """One attempt by one worker: what to do, and the token that finishing or failing must match."""

    token: uuid.UUID
    upload_id: int
    job_id: int
    owner_id: int
    attempt: int
    source: str
    recipe: dict[str, Any]
    stands: dict[str, Any] | None = None  # the recipe of the result that this one is to replace
    verdict: str = ""
    waited: float | None = None  # seconds since it was queued
    archive_id: int | None = None
    entry: int | None = None
    url: str = ""
    host: str = ""

    @property
    def row(self) -> "QuerySet[Upload]":
        return Upload.objects.filter(pk=self.upload_id, claim=self.token)


def _change(rows: "QuerySet[Upload]", **values: Any) -> int:
    return rows.update(changed_at=timezone.now(), **values)


def _error(error: PhotoError, detail: str = "") -> dict[str, str]:
    return {
        "error_code": error.code,
        "error_message": error.message,
        "error_remedy": error.remedy,
        "error_detail": detail,
    }


def _lease() -> datetime:
    return timezone.now() + timedelta(seconds=settings.LEASE)


def back_off(attempt: int) -> datetime:
    """When to try again after `attempt` tries: exponential, with full jitter."""
    return timezone.now() + timedelta(seconds=random.uniform(0, settings.RETRY_DELAY * 2 ** (attempt - 1)))


# ---- the way in ----------------------------------------------------------------------------------------------------


def create(uploads: Sequence[Upload]) -> list[Upload]:
    """Put uploads into the database: `queued` where the source is in the house, `new` where `io` is to bring it.

    Must run inside the transaction that makes their job.
    """
    now = timezone.now()
    for upload in uploads:
        upload.status = Status.QUEUED if upload.source else Status.NEW
        upload.queued_at = now if upload.source else None
        upload.changed_at = now
    made = Upload.objects.bulk_create(uploads, batch_size=500)
    variants.expect([upload.pk for upload in made if upload.source])
    for job_id in {upload.job_id for upload in made}:
        announce.job_changed(job_id)
    queue.push()
    return made


def claim_source(archive: Archive) -> Claim | None:
    """Claim the next upload of a ZIP that is not in the house yet."""
    waiting = _waiting(Status.NEW).filter(job_id=archive.job_id, archive=archive)
    while True:
        pk = waiting.order_by("position").values_list("pk", flat=True).first()
        if pk is None:
            return None
        claim = _claim(waiting.filter(pk=pk), pk, Status.NEW)
        if claim:  # else another worker was quicker
            return claim


def claim_fetch(upload_id: int) -> Claim | None:
    """Claim one whose source is to be fetched from its address; None when it is not to be fetched now."""
    return _claim(to_fetch().filter(pk=upload_id), upload_id, Status.NEW)


def to_fetch() -> "QuerySet[Upload]":
    """Those whose source may be fetched from its address now."""
    return _waiting(Status.NEW).exclude(url="")


def postpone(host: str, until: datetime) -> int:
    """What waits to be fetched from this host is not asked for before then. Gives the number of rows.

    Nothing of it shows, so `changed_at` stays: else watchers would draw each of 10,000 rows again.
    """
    waiting = Upload.objects.filter(status=Status.NEW, host=host, claim=None).exclude(url="")
    return waiting.exclude(not_before__gte=until).update(not_before=until)


def bring(claim: Claim, stored: storage.Stored, *, format: str, width: int, height: int) -> None:
    """new → queued: the source is in the house. Raises ClaimLost."""
    values = {
        "source": stored.key,
        "source_bytes": stored.bytes,
        "source_sha256": stored.sha256,
        "source_format": format,
        "source_width": width,
        "source_height": height,
    }
    with transaction.atomic():
        if not _change(
            claim.row.filter(status=Status.NEW),
            status=Status.QUEUED, attempts=0, queued_at=timezone.now(), not_before=None, **NO_CLAIM, **NO_ERROR,
            **values,
        ):  # fmt: skip
            raise ClaimLost
        variants.expect([claim.upload_id])
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()


# ---- one attempt ---------------------------------------------------------------------------------------------------


def claim(upload_id: int) -> Claim | None:
    """queued → processing, or None when there is nothing to do: gone, moved, not due, or its job is deleted."""
    due = _waiting(Status.QUEUED).filter(pk=upload_id)
    return _claim(due, upload_id, Status.PROCESSING, started_at=timezone.now(), **NO_STEP)


def _waiting(status: Status) -> "QuerySet[Upload]":
    """What may be claimed. No join: the UPDATE must see the row's own columns, or two claims could both succeed."""
    kept = Exists(Job.objects.filter(pk=OuterRef("job_id"), deleted_at=None))
    return Upload.objects.filter(is_due(), kept, status=status, claim=None)


def _claim(due: "QuerySet[Upload]", pk: int, to: Status, **values: Any) -> Claim | None:
    token = uuid.uuid4()
    changed = _change(
        due, status=to, claim=token, attempts=F("attempts") + 1, lease_until=_lease(), nudged_at=None, **values
    )
    if not changed:
        return None
    upload = Upload.objects.select_related("job").filter(pk=pk, claim=token).first()
    if upload is None:  # deleted in between
        return None
    if to == Status.PROCESSING:
        announce.upload_changed(upload.job_id, upload.pk)
    waited = (timezone.now() - upload.queued_at).total_seconds() if upload.queued_at else None
    return Claim(
        token=token, upload_id=pk, job_id=upload.job_id, owner_id=upload.job.owner_id, attempt=upload.attempts,
        source=upload.source, recipe=upload.recipe or upload.job.recipe, stands=upload.facts.get("recipe"),
        verdict=upload.verdict, waited=waited, archive_id=upload.archive_id, entry=upload.entry, url=upload.url,
        host=upload.host,
    )  # fmt: skip


def renew(claim: Claim) -> bool:
    """Hold the claim for another lease; False when it is lost."""
    return bool(claim.row.update(lease_until=_lease()))


def step(claim: Claim, label: str, done: int, total: int) -> None:
    """Say what is being done. Raises ClaimLost, so that a cancelled photo's worker stops here."""
    if not _change(claim.row, step=label, steps_done=done, steps_total=total, lease_until=_lease()):
        raise ClaimLost
    announce.upload_changed(claim.job_id, claim.upload_id)


def finish(claim: Claim, files: Sequence[variants.File], facts: dict[str, Any]) -> None:
    """processing → completed; the files are in storage already and replace those of an earlier result.

    What is in doubt is flagged, unless somebody chose it as it is. Raises ClaimLost; then nothing changed, and the
    files are the caller's to delete.
    """
    reasons = [] if claim.verdict == Verdict.ORIGINAL else doubts.reasons(facts, claim.recipe)
    known = {"recipe": claim.recipe, "review": reasons, "waited": claim.waited}
    known |= {"replaced": claim.stands} if claim.stands else {}
    with transaction.atomic():
        told = outbox.hold(claim.job_id)
        if not _change(
            claim.row.filter(status=Status.PROCESSING),
            status=Status.COMPLETED, finished_at=timezone.now(), facts=facts | known, needs_review=bool(reasons),
            review_reason=doubts.short(reasons[0]) if reasons else "", **NO_CLAIM, **NO_ERROR, **NO_STEP,
        ):  # fmt: skip
            raise ClaimLost
        variants.replace(claim.upload_id, files)
        outbox.upload(told, claim.upload_id, EventType.UPLOAD_COMPLETED)
        if reasons:
            outbox.upload(told, claim.upload_id, EventType.UPLOAD_NEEDS_REVIEW)
        outbox.ended(told)
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()


def fail(claim: Claim, error: PhotoError, detail: str = "") -> None:
    """new, processing → failed; or back to wait for a while, when trying again can help and attempts are left.

    Where an earlier result stands, it is completed again, and flagged.
    """
    again = error.transient and claim.attempt < settings.ATTEMPTS
    rows = claim.row.filter(status__in=[Status.NEW, Status.PROCESSING])
    if again:
        later = back_off(claim.attempt)
        changed = _change(rows, status=_back(claim), not_before=later, **NO_CLAIM, **_error(error, detail))
    else:
        changed = _fail(rows, claim.job_id, claim.upload_id, error, detail)
    if changed:
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()


def _back(claim: Claim) -> Status:
    """Where it waits for its next try."""
    return Status.QUEUED if claim.source else Status.NEW


def _fail(rows: "QuerySet[Upload]", job_id: int, upload_id: int, error: PhotoError, detail: str = "") -> int:
    """For good; `rows` is the upload while it may still be changed."""
    flag = {"needs_review": True, "review_reason": doubts.short(f"The redo failed: {error.message}")}
    ended = {"status": Status.FAILED, "finished_at": timezone.now(), **NO_CLAIM, **NO_STEP, **_error(error, detail)}
    with transaction.atomic():
        told = outbox.hold(job_id)
        if _put_back(rows, **flag):
            outbox.upload(told, upload_id, EventType.UPLOAD_NEEDS_REVIEW)
        elif _change(rows, **ended):
            outbox.upload(told, upload_id, EventType.UPLOAD_FAILED)
        else:
            return 0
        outbox.ended(told)
    return 1


def _put_back(rows: "QuerySet[Upload]", **values: Any) -> int:
    """A redo that came to nothing: completed again, with the result that stands and the recipe of it."""
    return _change(
        rows.filter(STANDS), status=Status.COMPLETED, recipe=F("facts__recipe"), verdict="", not_before=None,
        **NO_CLAIM, **NO_ERROR, **NO_STEP, **values,
    )  # fmt: skip


def give_back(claim: Claim) -> None:
    """processing → queued (or it stays new) without counting the attempt: its worker was asked to stop."""
    rows = claim.row.filter(status__in=[Status.NEW, Status.PROCESSING])
    if _change(rows, status=_back(claim), attempts=F("attempts") - 1, **NO_CLAIM, **NO_STEP):
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()


def sweep() -> int:
    """Free what dead workers hold; what ended its worker too often ends `worker_lost`. Gives the number of rows."""
    over = Upload.objects.filter(status__in=[Status.NEW, Status.PROCESSING], lease_until__lt=timezone.now())
    swept = 0
    for upload in over.only("pk", "job_id", "claim", "status", "attempts", "source"):
        row = over.filter(pk=upload.pk, claim=upload.claim)
        if upload.attempts >= settings.ATTEMPTS:
            changed = _fail(row, upload.job_id, upload.pk, PhotoError("worker_lost", attempts=upload.attempts))
        else:
            back = Status.QUEUED if upload.status == Status.PROCESSING else Status.NEW
            changed = _change(row, status=back, not_before=None, **NO_CLAIM, **NO_STEP)
        if changed:
            announce.upload_changed(upload.job_id, upload.pk)
            swept += changed
    return swept


# ---- what people ask for -------------------------------------------------------------------------------------------


def cancel(uploads: "QuerySet[Upload]") -> int:
    """new, queued, processing → cancelled; a running attempt loses its claim. Gives the number of rows.

    A photo that was to be redone is completed again, as it was.
    """
    error = _error(PhotoError("cancelled"))
    active = uploads.filter(status__in=ACTIVE).order_by()
    with _told(active):
        told = outbox.hold_all(active.values_list("job_id", flat=True))
        count = _put_back(active) + _change(
            active.exclude(STANDS), status=Status.CANCELLED, finished_at=timezone.now(), not_before=None,
            **NO_CLAIM, **NO_STEP, **error,
        )  # fmt: skip
        for job in told:
            outbox.ended(job)
        return count


def retry(uploads: "QuerySet[Upload]") -> int:
    """failed, cancelled → queued (or new, where the source never came), attempts begun anew. Gives the number."""
    ended = uploads.filter(status__in=[Status.FAILED, Status.CANCELLED])
    with _told(ended):
        count = _again(ended.exclude(source=""), finished_at=None)
        lost = ended.filter(source="").exclude(archive=None, url="").order_by()
        return count + _change(lost, status=Status.NEW, finished_at=None, **FRESH)


def redo(uploads: "QuerySet[Upload]", recipe: Recipe, verdict: str = "") -> int:
    """Those that are in the house → queued with a recipe of their own; a running attempt loses its claim.

    The old result stays until the new one is in place. Gives the number of rows.
    """
    here = uploads.exclude(source="")
    with _told(here):
        return _again(here, recipe=recipe.to_json(), verdict=verdict)


def judge(uploads: "QuerySet[Upload]", *, accepted: bool) -> int:
    """completed: a flag is taken away by accepting the result, and put back. Gives the number of rows."""
    rows = uploads.filter(status=Status.COMPLETED)
    with _told(rows):
        if accepted:
            return _change(rows.filter(needs_review=True), needs_review=False, verdict=Verdict.ACCEPTED)
        return _change(rows.filter(verdict=Verdict.ACCEPTED), needs_review=True, verdict="")


def _again(uploads: "QuerySet[Upload]", **values: Any) -> int:
    return _change(uploads.order_by(), status=Status.QUEUED, queued_at=timezone.now(), **FRESH, **values)


@contextmanager
def _told(uploads: "QuerySet[Upload]") -> Iterator[None]:
    """One transaction in which some of these change; then the watchers of their jobs look again.

    The jobs are locked first, so that two acts on many rows of one job cannot wait for each other.
    """
    with transaction.atomic():
        jobs = Job.objects.filter(pk__in=uploads.order_by().values("job_id")).order_by("pk").select_for_update()
        job_ids = list(jobs.values_list("pk", flat=True))
        yield
        for job_id in job_ids:
            announce.job_changed(job_id)
        queue.push()


def nudged(upload_ids: Sequence[int]) -> None:
    """Redis has been told of these; the window counts them until they are claimed."""
    Upload.objects.filter(pk__in=upload_ids, status=Status.QUEUED).update(nudged_at=timezone.now())


def forget_nudges(before: datetime) -> int:
    """The nudges sent before then are lost; those uploads are to be nudged again."""
    return Upload.objects.filter(status=Status.QUEUED, nudged_at__lt=before).update(nudged_at=None)


# What a second look at the same bytes cannot change.
HOPELESS = ("failed_to_read_image", "invalid_file_type", "file_too_large", "image_too_small", "archive_bomb")


def emptied_archives() -> "QuerySet[Archive]":
    """The ZIPs that hold no photo which could still be brought, now or after a retry."""
    held = Upload.objects.filter(archive=OuterRef("pk"), source="").exclude(
        status=Status.FAILED, error_code__in=HOPELESS
    )
    return Archive.objects.exclude(key="").exclude(Exists(held))
