"""Files and rows compared: which files no row names, and which rows name a file that is not there.

Job by job, so that memory holds the names of one job's files at most.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from processing import ledger, storage
from processing.models import Archive, BackgroundImage, Job, ProductCsv, Upload, Variant

IN_THE_MAKING = 3600.0  # seconds: a younger file may be about to get its row
HANDFUL = 500  # keys in one question


@dataclass(frozen=True)
class Missing:
    """A row that names a file which is not there: the original or a variant of a photo, a ZIP, a CSV, a background."""

    key: str
    upload_id: int | None
    what: str


@dataclass(frozen=True)
class Naming:
    """Rows that name files: the field of the key, and that of the upload where they are of one."""

    what: str
    rows: "QuerySet[Any]"
    key: str = "key"
    upload: str = ""

    def all_keys(self) -> Iterator[str]:
        rows = self.rows.exclude(**{self.key: ""})
        return rows.values_list(self.key, flat=True).iterator(chunk_size=HANDFUL)

    def of(self, keys: Collection[str]) -> "QuerySet[Any, Any]":
        return self.rows.filter(**{f"{self.key}__in": keys}).values_list(self.key, self.upload or "pk")


@dataclass
class Found:
    """What is wrong in one folder, such as `7/412` of a job, `7/backgrounds` or `7/incoming`."""

    folder: str
    missing: list[Missing] = field(default_factory=list)
    unnamed: list[storage.Seen] = field(default_factory=list)


def compare() -> Iterator[Found]:
    """The folder of each job and each person's backgrounds, then those of jobs that are no more, and what people sent
    straight into the bucket."""
    for pk, owner_id in Job.objects.order_by("pk").values_list("pk", "owner_id").iterator(chunk_size=HANDFUL):
        yield of_job(pk, owner_id)
    for owner_id in BackgroundImage.objects.order_by("owner").values_list("owner", flat=True).distinct():
        yield _compared(f"{owner_id}/backgrounds", IN_THE_MAKING)
    for folder in storage.folders():
        if not _is_known(folder):
            yield of_folder(folder)


def of_folder(folder: str) -> Found:
    """One of storage's `folders`."""
    return _compared(folder, settings.INCOMING_HOURS * 3600 if _is_incoming(folder) else IN_THE_MAKING)


def is_of_job(folder: str) -> bool:
    return _whose(folder)[1] is not None


def of_job(pk: int, owner_id: int, older_than: float = IN_THE_MAKING) -> Found:
    """Files that no row names count once they are so many seconds old."""
    return _compared(f"{owner_id}/{pk}", older_than)


def remove(found: Found) -> None:
    """Delete the files that no row names. Raises PhotoError, where they may be another house's."""
    if found.unnamed:
        storage.own()
        storage.delete(seen.key for seen in found.unnamed)


def _is_known(folder: str) -> bool:
    owner_id, job_id = _whose(folder)
    if _is_incoming(folder):
        return False
    if job_id is None:
        return BackgroundImage.objects.filter(owner=owner_id).exists()
    return Job.objects.filter(pk=job_id, owner=owner_id).exists()


def _is_incoming(folder: str) -> bool:
    return folder.endswith(f"/{storage.INCOMING}")


def _whose(folder: str) -> tuple[int, int | None]:
    """The owner's id and the job's, None for what is of no job."""
    owner_id, _, name = folder.partition("/")
    return int(owner_id), int(name) if name.isdecimal() else None


def _compared(folder: str, older_than: float) -> Found:
    rows = _rows(folder)
    named = {key for one in rows for key in one.all_keys()}
    unnamed = {}
    for seen in storage.files(folder):
        if seen.key not in named and seen.age > older_than:
            unnamed[seen.key] = seen
        named.discard(seen.key)
    for row in _asked_again(rows, unnamed):
        unnamed.pop(row.key, None)
    missing = [row for row in _asked_again(rows, named) if not storage.holds(row.key)]
    return Found(folder, missing, list(unnamed.values()))


def _rows(folder: str) -> list[Naming]:
    """What names the files of a folder."""
    owner_id, job_id = _whose(folder)
    if _is_incoming(folder):  # one that was never sent fails its photo, and nothing is missing
        to_come = ledger.to_come().exclude(error_code="invalid_s3_key")
        return [Naming("sent photo", to_come.filter(bucket_key__startswith=f"{folder}/"), "bucket_key", "pk")]
    if job_id is None:
        return [Naming("background", BackgroundImage.objects.filter(owner=owner_id))]
    job = Job.objects.filter(pk=job_id, owner=owner_id)
    return [
        Naming("original", Upload.objects.filter(job__in=job), "source", "pk"),
        Naming("variant", Variant.objects.filter(upload__job__in=job), "key", "upload_id"),
        Naming("ZIP", Archive.objects.filter(job__in=job)),
        Naming("CSV", ProductCsv.objects.filter(job__in=job)),
    ]


def _asked_again(rows: list[Naming], keys: Collection[str]) -> Iterator[Missing]:
    """The rows that name these keys by now: what was looked at first may have changed meanwhile."""
    asked = sorted(keys)
    for first in range(0, len(asked), HANDFUL):
        for one in rows:
            for found in one.of(asked[first : first + HANDFUL]):
                yield Missing(found[0], found[1] if one.upload else None, one.what)
