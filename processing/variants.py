"""The files made from an upload, and their own small state: pending, completed, failed, skipped."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from processing import announce, storage
from processing.errors import PhotoError
from processing.models import Upload, Variant
from processing.models.jobs import is_due

SOURCE_THUMBNAIL = "source-thumbnail"
OF_PAGES = r"^(source-.*|(thumbnail|preview)(-\d+)?)$"  # what pages show of a photo, and nobody downloads


@dataclass(frozen=True)
class File:
    """A variant that lies in storage already; width and height in px."""

    name: str
    stored: storage.Stored
    format: str
    width: int
    height: int


def new_key(owner_id: int, job_id: int, name: str, format: str) -> str:
    """Where a file made from an upload is to lie; results have a folder of their own."""
    return storage.new_key(owner_id, job_id, "results" if is_result(name) else "variants", format)


def is_for_people(name: str) -> bool:
    """Whether people download the file: a result, or an extra size of one."""
    return not re.match(OF_PAGES, name)


def is_result(name: str) -> bool:
    """Whether it is the result, or one of several."""
    return name == "result" or name.startswith("result-")


def expect(upload_ids: Iterable[int]) -> None:
    """Their originals are in the house: `io` is to make a small picture of each."""
    expect_all((pk, SOURCE_THUMBNAIL) for pk in upload_ids)


def expect_all(names: Iterable[tuple[int, str]]) -> None:
    """`io` is to make these, as (upload, name); what is there already stays as it is."""
    rows = [Variant(upload_id=pk, name=name) for pk, name in names]
    Variant.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


def keep(upload_id: int, files: Sequence[File], *, instead_of: Sequence[str] = ()) -> None:
    """Record files made from an upload; those under the keys `instead_of` them are deleted after the commit."""
    Variant.objects.bulk_create(
        [
            Variant(
                upload_id=upload_id, name=file.name, status=Variant.Status.COMPLETED, key=file.stored.key,
                format=file.format, width=file.width, height=file.height, bytes=file.stored.bytes,
                sha256=file.stored.sha256,
            )
            for file in files
        ],
        update_conflicts=True, unique_fields=["upload", "name"],
        update_fields=["status", "key", "format", "width", "height", "bytes", "sha256"],
    )  # fmt: skip
    if old := [key for key in instead_of if key]:
        transaction.on_commit(lambda: storage.delete(old))


def replace(upload_id: int, files: Sequence[File]) -> None:
    """Record the files of a new result; those of the earlier one go, also where the new one has none of that name."""
    earlier = Variant.objects.filter(upload_id=upload_id).exclude(name=SOURCE_THUMBNAIL)
    rows, names = list(earlier.values_list("pk", "name", "key")), {file.name for file in files}
    if stale := [pk for pk, name, _ in rows if name not in names]:
        Variant.objects.filter(pk__in=stale).delete()
    keep(upload_id, files, instead_of=[key for _, _, key in rows])


def due() -> "QuerySet[Variant]":
    """Those that are to be made now."""
    return _pending().filter(upload__job__deleted_at=None)


def _pending() -> "QuerySet[Variant]":
    return Variant.objects.filter(is_due(), status=Variant.Status.PENDING, attempts__lt=settings.ATTEMPTS)


def claim(pk: int) -> Variant | None:
    """Take one that is due; nobody else takes it for a minute."""
    later = timezone.now() + timedelta(seconds=60)
    if not _pending().filter(pk=pk).update(attempts=F("attempts") + 1, not_before=later):
        return None
    return Variant.objects.select_related("upload__job").get(pk=pk)


def made(variant: Variant, file: File) -> None:
    """The file of a claimed variant is there; its tile changes. Where a new result brought its own meanwhile, that
    stays."""
    with transaction.atomic():  # the photo is locked first, as by who brings a new result
        Upload.objects.filter(pk=variant.upload_id).update(changed_at=timezone.now())
        if not Variant.objects.select_for_update().filter(pk=variant.pk, status=Variant.Status.PENDING).exists():
            transaction.on_commit(partial(storage.delete, [file.stored.key]))
            return
        keep(variant.upload_id, [file])
        announce.upload_changed(variant.upload.job_id, variant.upload_id)


def give_back(variant: Variant) -> None:
    """A claimed one that storage did not let be made: the try does not count."""
    Variant.objects.filter(pk=variant.pk).update(attempts=F("attempts") - 1)


def fail(variant: Variant, error: PhotoError) -> None:
    """A variant could not be made: later again, or never."""
    if not error.transient or variant.attempts >= settings.ATTEMPTS:
        Variant.objects.filter(pk=variant.pk).update(status=Variant.Status.FAILED)


def give_up() -> None:
    """Those whose last try ended its worker."""
    spent = Variant.objects.filter(is_due(), status=Variant.Status.PENDING, attempts__gte=settings.ATTEMPTS)
    spent.update(status=Variant.Status.FAILED)
