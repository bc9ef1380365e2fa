"""Jobs and uploads as they stand after the work, with their files."""

from typing import Any

from django.contrib.auth.models import User

from processing import storage
from processing.models import Job, Status, Upload, Variant


def job(owner: User, name: str = "Spring") -> Job:
    return Job.objects.create(owner=owner, name=name, recipe={"remove_bg": True, "model": "u2netp"})


def upload(job: Job, name: str, status: Status = Status.COMPLETED, **values: Any) -> Upload:
    stored = storage.write(storage.new_key(job.owner_id, job.pk, "originals", "jpg"), [b"original"])
    given = {
        "position": job.uploads.count(), "sent_name": name, "source": stored.key, "source_format": "jpg",
        "source_sha256": stored.sha256, "source_bytes": stored.bytes, "facts": {},
    }  # fmt: skip
    return Upload.objects.create(job=job, name=name, status=status, **{**given, **values})


def variant(upload: Upload, name: str, content: bytes, format: str) -> Variant:
    stored = storage.write(storage.new_key(upload.job.owner_id, upload.job_id, "results", format), [content])
    values = {"key": stored.key, "format": format, "bytes": stored.bytes, "sha256": stored.sha256}
    row, _ = Variant.objects.update_or_create(
        upload=upload, name=name, defaults={"status": Variant.Status.COMPLETED, **values}
    )
    return row
