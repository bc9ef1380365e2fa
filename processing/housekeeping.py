"""What has to be done now and then: close open jobs, remove deleted ones for good, clear what nothing needs."""

import logging
import random
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from processing import backfill, inventory, ledger, outage, outbox, retention, storage, tokens, variants
from processing.hooks import deliver
from processing.intake import bring, products
from processing.intake.photos import close
from processing.intake.row_photos import handfuls
from processing.models import Archive, BackgroundImage, Callback, Incoming, Job, ProductRow, Receipt, Upload
from processing.models.jobs import ACTIVE

log = logging.getLogger(__name__)

TEMPORARY_HOURS = 24
HANDFUL = 500  # photos that are deleted in one transaction
JOBS_A_TURN = 3  # whose folders are looked through
LATE = 500  # callbacks that are told in one go


def tidy() -> None:
    """Each step for itself: one that fails is told and tried again the next time."""
    for step in (
        close_open_jobs,
        bring.clean_archives,
        retention.tidy,
        purge_deleted_jobs,
        ledger.give_up,
        variants.give_up,
        clear_folders,
        clear_leftovers,
        clear_backgrounds,
        clear_incoming,
        clear_parts,
        clear_rows,
        tell_late,
        deliver.clear_log,
        tokens.forget_expired,
        backfill.once,
    ):
        try:
            step()
        except Exception as error:
            if not outage.told(error):
                log.exception("tidying: %s", step.__name__)


def close_open_jobs() -> None:
    """A job closes by itself some time after its last file."""
    before = timezone.now() - timedelta(minutes=settings.OPEN_JOB_MINUTES)
    for job in Job.objects.filter(is_open=True, touched_at__lt=before):
        if hasattr(job, "product_csv"):  # its start was cut short
            products.fill(job)
        else:
            close(job)


def purge_deleted_jobs() -> None:
    """Remove jobs that were deleted longer ago than they can be brought back: first the rows, then the files."""
    before = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES)
    for pk in list(Job.objects.filter(deleted_at__lt=before).values_list("pk", flat=True)[:20]):
        while _purge_some(pk, before):
            pass


def _purge_some(pk: int, before: datetime) -> bool:
    """The next photos of a deleted job, a handful, so that nobody waits for 30,000; at last the job and its files.

    Gives whether there is more to do.
    """
    with transaction.atomic():  # asked again under the lock: somebody may have brought it back meanwhile
        job = Job.objects.select_for_update().filter(pk=pk, deleted_at__lt=before).first()
        if job is None:
            return False
        rows = Upload.objects.filter(job=job).order_by("pk").select_for_update()
        if handful := list(rows.values_list("pk", flat=True)[:HANDFUL]):
            Upload.objects.filter(pk__in=handful).delete()
            return True
        owner_id = job.owner_id
        ProductRow.objects.filter(job=job).delete()
        Archive.objects.filter(job=job).delete()
        job.delete()
    storage.delete_job(owner_id, pk)
    return False


def clear_folders() -> None:
    """Files of jobs that are no more: of a person who was deleted, or of a purge that was cut short."""
    for some in handfuls(storage.job_folders()):
        owners = {job_id: owner_id for owner_id, job_id in some}
        kept = set(Job.objects.filter(pk__in=owners).values_list("pk", flat=True))
        for job_id in owners.keys() - kept:
            if storage.untouched(owners[job_id], job_id, 3600):
                storage.delete_job(owners[job_id], job_id)


def clear_leftovers() -> None:
    """Files that killed attempts left in the folders of jobs; a few jobs in each turn, whichever."""
    newest = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    some = Job.objects.filter(pk__gte=random.randint(0, newest)).order_by("pk")
    for pk, owner_id in some.values_list("pk", "owner_id")[:JOBS_A_TURN]:
        inventory.remove(inventory.of_job(pk, owner_id, older_than=TEMPORARY_HOURS * 3600))


def clear_backgrounds() -> None:
    """Backgrounds that no row knows any more: of a person who was deleted, or of one whose upload broke off."""
    found = set(storage.background_keys(older_than=3600))
    storage.delete(found - set(BackgroundImage.objects.filter(key__in=found).values_list("key", flat=True)))


def clear_incoming() -> None:
    """What was sent straight into the bucket and no job named in time: the leaves first, so that none can any more."""
    hours = settings.INCOMING_HOURS
    Incoming.objects.filter(created_at__lt=timezone.now() - timedelta(hours=hours)).delete()
    for some in handfuls(storage.incoming_keys(older_than=hours * 3600)):
        needed = ledger.to_come().filter(bucket_key__in=some)
        storage.delete(set(some) - set(needed.values_list("bucket_key", flat=True)))


def clear_parts() -> None:
    """What was sent into the bucket in parts and broke off takes room there, and no listing shows it."""
    storage.clear_parts(TEMPORARY_HOURS * 3600)


def tell_late() -> None:
    """Callbacks whose job ended untold: another version ended it."""
    active = Upload.objects.filter(job=OuterRef("job"), status__in=ACTIVE)
    closed = {"job__is_open": False, "job__is_draft": False, "job__deleted_at": None}
    for pk in Callback.objects.filter(~Exists(active), deliveries=None, **closed).values_list("job", flat=True)[:LATE]:
        with transaction.atomic():
            outbox.ended_before(outbox.hold(pk))


def clear_rows() -> None:
    Receipt.objects.filter(created_at__lt=timezone.now() - timedelta(days=1)).delete()
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
