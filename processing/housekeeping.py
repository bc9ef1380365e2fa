"""What has to be done now and then: close open jobs, remove deleted ones for good, clear what nothing needs."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from processing import storage
from processing.intake import bring
from processing.intake.photos import close
from processing.models import Archive, Job, Receipt, Upload

TEMPORARY_HOURS = 24


def tidy() -> None:
    close_open_jobs()
    bring.clean_archives()
    purge_deleted_jobs()
    clear_temporary_files()
    Receipt.objects.filter(created_at__lt=timezone.now() - timedelta(days=1)).delete()


def close_open_jobs() -> None:
    """A job closes by itself some time after its last file."""
    before = timezone.now() - timedelta(minutes=settings.OPEN_JOB_MINUTES)
    for job in Job.objects.filter(is_open=True, touched_at__lt=before):
        close(job)


def purge_deleted_jobs() -> None:
    """Remove jobs that were deleted longer ago than they can be brought back: first the rows, then the files."""
    before = timezone.now() - timedelta(minutes=settings.UNDO_MINUTES)
    for job in Job.objects.filter(deleted_at__lt=before)[:20]:
        owner_id, job_id = job.owner_id, job.pk
        Upload.objects.filter(job=job).delete()
        Archive.objects.filter(job=job).delete()
        job.delete()
        storage.delete_job(owner_id, job_id)


def clear_temporary_files() -> None:
    """Uploads that broke off leave their temporary file behind."""
    before = time.time() - TEMPORARY_HOURS * 3600
    for place in settings.TMP_DIR.iterdir():
        if place.is_file() and place.stat().st_mtime < before:
            place.unlink(missing_ok=True)
