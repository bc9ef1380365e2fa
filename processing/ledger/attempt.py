"""One attempt by one worker: claimed, worked on, ended."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from processing import announce, breaker, doubts, outbox, queue, tally, variants
from processing.errors import ClaimLost, PhotoError
from processing.ledger import record
from processing.ledger.parked import answered, blamed, park, waited_long_enough
from processing.ledger.rows import (
    NO_CLAIM,
    NO_ERROR,
    NO_STEP,
    Claim,
    back_off,
    change,
    end_failed,
    error_values,
    held,
    note,
    waiting,
)
from processing.models import EventType, Status, Upload
from processing.models.jobs import Verdict

SWEPT = ("pk", "job_id", "claim", "status", "attempts", "source", "source_bytes", "job__request_id")


def claim(upload_id: int) -> Claim | None:
    """queued → processing, or None when there is nothing to do: gone, moved, not due, or its job is deleted."""
    due = waiting(Status.QUEUED).filter(pk=upload_id)
    return take(due, upload_id, Status.PROCESSING, started_at=timezone.now(), **NO_STEP)


def take(due: "QuerySet[Upload]", pk: int, to: Status, **values: Any) -> Claim | None:
    token = uuid.uuid4()
    changed = change(
        due, status=to, claim=token, attempts=F("attempts") + 1, lease_until=held(), nudged_at=None, **values
    )
    if not changed:
        return None
    upload = Upload.objects.select_related("job").filter(pk=pk, claim=token).first()
    if upload is None:  # deleted in between
        return None
    if to == Status.PROCESSING:
        announce.upload_changed(upload.job_id, upload.pk)
    queued_at = upload.queued_at if upload.attempts == 1 else None
    return Claim(
        token=token, upload_id=pk, job_id=upload.job_id, owner_id=upload.job.owner_id, attempt=upload.attempts,
        source=upload.source, source_bytes=upload.source_bytes or 0,
        source_sha256=upload.source_sha256, recipe=upload.recipe or upload.job.recipe,
        stands=upload.facts.get("recipe"), verdict=upload.verdict, asked_at=upload.queued_at or upload.created_at,
        waited=(timezone.now() - queued_at).total_seconds() if queued_at else None, archive_id=upload.archive_id,
        entry=upload.entry, url=upload.url, host=upload.host, bucket_key=upload.bucket_key,
        request_id=upload.job.request_id,
    )  # fmt: skip


def renew(claim: Claim) -> bool:
    """Hold the claim for another lease; False when it is lost."""
    return bool(claim.row.update(lease_until=held()))


def step(claim: Claim, label: str, done: int, total: int) -> None:
    """Say what is being done. Raises ClaimLost, so that a cancelled photo's worker stops here."""
    if not change(claim.row, step=label, steps_done=done, steps_total=total, lease_until=held()):
        raise ClaimLost
    announce.upload_changed(claim.job_id, claim.upload_id)


def finish(claim: Claim, files: Sequence[variants.File], facts: dict[str, Any], work_key: str = "") -> None:
    """processing → completed; the files are in storage already and replace those of an earlier result. `work_key` is
    `reuse.key_of` what was done.

    What is in doubt is flagged, unless somebody chose it as it is. Raises ClaimLost; then nothing changed, and the
    files are the caller's to delete.
    """
    reasons = [] if claim.verdict == Verdict.ORIGINAL else doubts.reasons(facts, claim.recipe)
    with transaction.atomic():
        told = outbox.hold(claim.job_id)
        ended = {"work_key": work_key, **_completed(claim, facts, reasons)}
        if not change(claim.row.filter(status=Status.PROCESSING), **ended):
            raise ClaimLost
        variants.replace(claim.upload_id, files)
        outbox.upload(told, claim.upload_id, EventType.UPLOAD_COMPLETED)
        if reasons:
            outbox.upload(told, claim.upload_id, EventType.UPLOAD_NEEDS_REVIEW)
        outbox.ended(told)
        tally.add(claim.owner_id, attempts=claim.attempt, **_first_time(claim, files))
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()
    breaker.succeeded(answered(claim))
    record.finished(claim, files, facts)


def _completed(claim: Claim, facts: dict[str, Any], reasons: list[str]) -> dict[str, Any]:
    known = {"recipe": claim.recipe, "review": reasons, "waited": claim.waited}
    known |= {"replaced": claim.stands} if claim.stands else {}
    return {
        "status": Status.COMPLETED, "finished_at": timezone.now(), "facts": facts | known, "results_removed_at": None,
        "needs_review": bool(reasons), "review_reason": doubts.short(reasons[0]) if reasons else "",
        **NO_CLAIM, **NO_ERROR, **NO_STEP,
    }  # fmt: skip


def _first_time(claim: Claim, files: Sequence[variants.File]) -> dict[str, int]:
    """What a first result adds to the person's tally."""
    if claim.stands:
        return {}
    after = sum(file.stored.bytes for file in files if variants.is_for_people(file.name))
    return {"completed": 1, "bytes_before": claim.source_bytes, "bytes_after": after}


def fail(claim: Claim, error: PhotoError, detail: str = "") -> None:
    """new, processing → failed; or back to wait for a while, when trying again can help and attempts are left; or
    parked, where what it needs is left alone from now on.

    Where an earlier result stands, it is completed again, and flagged.
    """
    name = blamed(claim, error)
    breaker.succeeded(answered(claim, error) - {name})
    if name and breaker.failed(name, error.message):
        park(claim, name)
        return
    spent = _spent(claim, name)
    again = (error.transient or name) and spent < settings.ATTEMPTS
    rows = claim.row.filter(status__in=[Status.NEW, Status.PROCESSING])
    if again:
        waits = {"status": claim.back, "attempts": spent, "not_before": back_off(claim.attempt)}
        changed = change(rows, **waits, **NO_CLAIM, **error_values(error, detail))
    else:
        changed = end_failed(rows, claim.job_id, claim.upload_id, error, detail)
    if changed:
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()
        record.tried(claim, "again", code=error.code) if again else record.failed(claim, error)


def _spent(claim: Claim, blamed: str) -> int:
    """How many attempts count; the last does not where storage failed it, until the photo has waited long for that."""
    is_spared = blamed == breaker.STORAGE and not waited_long_enough(claim.asked_at)
    return min(claim.attempt, settings.ATTEMPTS - 1) if is_spared else claim.attempt


def give_back(claim: Claim) -> None:
    """processing → queued (or it stays new) without counting the attempt: its worker was asked to stop."""
    rows = claim.row.filter(status__in=[Status.NEW, Status.PROCESSING])
    if change(rows, status=claim.back, attempts=F("attempts") - 1, **NO_CLAIM, **NO_STEP):
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()
        record.tried(claim, "given_back")


def sweep() -> int:
    """Free what dead workers hold; what ended its worker too often ends `worker_lost`. Gives the number of rows."""
    over = Upload.objects.filter(status__in=[Status.NEW, Status.PROCESSING], lease_until__lt=Now())
    swept = 0
    for upload in over.select_related("job").only(*SWEPT):
        row = over.filter(pk=upload.pk, claim=upload.claim)
        lost = PhotoError("worker_lost", attempts=upload.attempts)
        is_last = upload.attempts >= settings.ATTEMPTS
        if is_last:
            changed = end_failed(row, upload.job_id, upload.pk, lost)
        else:
            back = Status.QUEUED if upload.status == Status.PROCESSING else Status.NEW
            changed = change(row, status=back, not_before=None, **NO_CLAIM, **NO_STEP)
        if changed:
            announce.upload_changed(upload.job_id, upload.pk)
            record.lost(upload)
            if is_last:
                record.given_up(upload, lost)
            swept += changed
    return swept


def nudged(upload_ids: Sequence[int]) -> None:
    """Redis has been told of these; the window counts them until they are claimed."""
    note(Upload.objects.filter(pk__in=upload_ids, status=Status.QUEUED), nudged_at=timezone.now())


def forget_nudges(before: datetime) -> int:
    """The nudges sent before then are lost; those uploads are to be nudged again."""
    return note(Upload.objects.filter(status=Status.QUEUED, nudged_at__lt=before), nudged_at=None)
