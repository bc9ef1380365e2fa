"""What has to be done now and then: close open jobs, remove deleted ones for good, clear what nothing needs."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from processing import backfill, inventory, ledger, outage, outbox, retention, storage, tokens, variants
from processing.errors import PhotoError
from processing.hooks import deliver
from processing.intake import bring, posted, products
from processing.intake.photos import close
from processing.intake.row_photos import handfuls
from processing.models import Archive, Callback, Incoming, Job, ProductRow, Receipt, Upload, lease
from processing.models.jobs import ACTIVE

log = logging.getLogger(__name__)

TIDYING, LISTING = "tidying", "listing"  # roles of one worker
LIST_EVERY = 3600  # seconds; a bucket takes money for it
TEMPORARY_HOURS = 24
HANDFUL = 500  # photos that are deleted in one transaction
JOBS_A_TURN = 3  # whose folders are looked through
LATE = 500  # callbacks that are told in one go


def tidy() -> None:
    """One worker at a time, and not for longer than any may work at all."""
    name = uuid.uuid4().hex
    if not lease.hold(TIDYING, name, settings.HARD_TIME_LIMIT):
        return
    _take(
        close_open_jobs,
        bring.clean_archives,
        retention.tidy,
        purge_deleted_jobs,
        ledger.give_up,
        variants.give_up,
        clear_leftovers,
        clear_incoming,
        clear_rows,
        tell_late,
        deliver.clear_log,
        tokens.forget_expired,
        backfill.once,
    )
    if lease.hold(LISTING, uuid.uuid4().hex, LIST_EVERY):
        _take(clear_folders, clear_parts)
    lease.let_go(TIDYING, name)


def _take(*steps: Callable[[], object]) -> None:
    """Each for itself: one that fails is told and tried again the next time."""
    for step in steps:
        try:
            step()
        except PhotoError as error:  # of storage
            log.warning("tidying: %s: %s", step.__name__, error.values.get("reason", error.message))
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
    due = list(Job.objects.filter(deleted_at__lt=before).values_list("pk", flat=True)[:20])
    if due:
        storage.own()  # a whole folder goes, and with it what another house may have in it
    for pk in due:
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
    """Files of jobs that are no more, of a person who was deleted, or of a purge that was cut short; backgrounds that
    no row knows any more, and what was sent straight into the bucket and no photo needs. As far as the time goes."""
    storage.own()
    until = time.monotonic() + settings.HARD_TIME_LIMIT / 2
    for some in handfuls(storage.folders()):
        of_jobs = [folder for folder in some if inventory.is_of_job(folder)]
        _clear_jobs(map(int, folder.split("/")) for folder in of_jobs)
        for folder in set(some).difference(of_jobs):
            inventory.remove(inventory.of_folder(folder))
        if time.monotonic() > until:
            return


def _clear_jobs(folders: Iterable[Iterable[int]]) -> None:
    owners = {job_id: owner_id for owner_id, job_id in folders}
    kept = set(Job.objects.filter(pk__in=owners).values_list("pk", flat=True))
    for job_id in owners.keys() - kept:
        if storage.untouched(owners[job_id], job_id, inventory.IN_THE_MAKING):
            storage.delete_job(owners[job_id], job_id)


def clear_leftovers() -> None:
    """Files that killed attempts left in the folders of jobs; a few jobs in each turn, whichever."""
    newest = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    some = Job.objects.filter(pk__gte=random.randint(0, newest)).order_by("pk")
    for pk, owner_id in some.values_list("pk", "owner_id")[:JOBS_A_TURN]:
        inventory.remove(inventory.of_job(pk, owner_id, older_than=TEMPORARY_HOURS * 3600))


def clear_incoming() -> None:
    """What was sent straight into the bucket, or was to be, and no job named in time. The rows go last, so that what
    breaks off is done again."""
    while keys := list(posted.over().order_by("key").values_list("key", flat=True)[:HANDFUL]):
        storage.check()
        storage.delete(keys)
        Incoming.objects.filter(key__in=keys).delete()


def clear_parts() -> None:
    """What was sent into the bucket in parts and broke off takes room there, and no listing shows it."""
    storage.own()
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
