"""The way in: made, claimed by `io`, brought into the house."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processing import announce, breaker, pauses, queue, storage, variants
from processing.errors import ClaimLost
from processing.ledger import record
from processing.ledger.attempt import take
from processing.ledger.parked import answered
from processing.ledger.rows import NO_CLAIM, NO_ERROR, Claim, change, note, waiting
from processing.models import Archive, Status, Upload


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


def adopt(uploads: Sequence[Upload], results: Sequence[variants.File]) -> None:
    """Put photos of an older system into the database: completed, each with the result that it came with.

    Must run in a transaction.
    """
    now = timezone.now()
    for upload in uploads:
        upload.status = Status.COMPLETED
        upload.finished_at = upload.changed_at = now
    made = Upload.objects.bulk_create(uploads, batch_size=500)
    for upload, result in zip(made, results, strict=True):
        variants.keep(upload.pk, [result])
    for job_id in {upload.job_id for upload in made}:
        announce.job_changed(job_id)


def claim_source(archive: Archive) -> Claim | None:
    """Claim the next upload of a ZIP that is not in the house yet."""
    return _claim_first(waiting(Status.NEW).filter(job_id=archive.job_id, archive=archive))


def claim_found(job_id: int) -> Claim | None:
    """Claim the next upload of a job that lies in the bucket and is not in the house yet."""
    return _claim_first(to_find().filter(job_id=job_id))


def _claim_first(due: "QuerySet[Upload]") -> Claim | None:
    while True:
        pk = due.order_by("position").values_list("pk", flat=True).first()
        if pk is None:
            return None
        claim = take(due.filter(pk=pk), pk, Status.NEW)
        if claim:  # else another worker was quicker
            return claim


def claim_fetch(upload_id: int) -> Claim | None:
    """Claim one whose source is to be fetched from its address; None when it is not to be fetched now."""
    return take(to_fetch().filter(pk=upload_id), upload_id, Status.NEW)


def to_fetch() -> "QuerySet[Upload]":
    """Those whose source may be fetched from its address now."""
    return waiting(Status.NEW).exclude(url="")


def to_find() -> "QuerySet[Upload]":
    """Those that may be brought from where they lie in the bucket now."""
    return waiting(Status.NEW).exclude(bucket_key="")


def postpone(host: str, until: datetime) -> int:
    """What waits to be fetched from this host is not asked for before then. Gives the number of rows.

    Nothing of it shows, so `changed_at` stays: else watchers would draw each of 10,000 rows again.
    """
    waiting = Upload.objects.filter(status=Status.NEW, host=host, claim=None).exclude(url="")
    return note(waiting.exclude(not_before__gte=until), not_before=until)


def bring(claim: Claim, stored: storage.Stored, *, format: str, width: int, height: int) -> None:
    """new → queued: the source is in the house. Raises ClaimLost."""
    values = {
        "source": stored.key,
        "bucket_key": "",
        "source_bytes": stored.bytes,
        "source_sha256": stored.sha256,
        "source_format": format,
        "source_width": width,
        "source_height": height,
        "source_removed_at": None,
    }
    with transaction.atomic():
        drained = pauses.drained_since(claim.job_id, claim.owner_id)  # it was asked for before that
        if not change(
            claim.row.filter(status=Status.NEW),
            status=Status.QUEUED, attempts=0, queued_at=drained or timezone.now(), not_before=None, **NO_CLAIM,
            **NO_ERROR,
            **values,
        ):  # fmt: skip
            raise ClaimLost
        variants.expect([claim.upload_id])
        announce.upload_changed(claim.job_id, claim.upload_id)
        queue.push()
    breaker.succeeded(answered(claim))
    record.tried(claim, "brought")


# What a second look at the same bytes cannot change.
HOPELESS = (
    "failed_to_read_image", "invalid_file_type", "file_too_large", "image_too_small", "archive_bomb", "only_photos",
)  # fmt: skip


def emptied_archives() -> "QuerySet[Archive]":
    """The ZIPs that hold no photo which could still be brought, now or after a retry."""
    return Archive.objects.exclude(key="").exclude(Exists(to_come().filter(archive=OuterRef("pk"))))


def to_come() -> "QuerySet[Upload]":
    """Those that are not in the house and could still be brought, now or after a retry."""
    absent = Upload.objects.filter(source="", source_removed_at=None)
    return absent.exclude(status=Status.FAILED, error_code__in=HOPELESS)
