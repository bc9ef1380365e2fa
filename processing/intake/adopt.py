"""Photos of an older system: each becomes a completed photo of one job, and its result is the file as it is."""

import hashlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from processing import backfill, header, ledger, queue, storage, variants
from processing.errors import PhotoError
from processing.header import Header
from processing.intake import limits
from processing.intake.names import Names, plain
from processing.models import Job, Upload
from processing.recipe import Recipe

HANDFUL = 100  # photos that are written down in one transaction
# What was done to them here: nothing. Its extra sizes are the small pictures of our pages, which `io` makes.
UNTOUCHED = Recipe(remove_bg=False).to_json()
Kept = tuple[Upload, variants.File]


@dataclass
class Adopted:
    """What came of a folder so far; `here` were adopted before, `refused` are paths and why each was."""

    job: Job | None = None
    photos: int = 0
    bytes: int = 0
    here: int = 0
    refused: list[tuple[str, PhotoError]] = field(default_factory=list)


def adopt(folder: Path, owner: User, name: str = "", *, dry_run: bool = False) -> Generator[Adopted, None, None]:
    """Take the photos in the folder and below; gives what came of it so far, after each file.

    It may be done twice, also after it was killed: the same content at the same path is not taken again.
    Raises PhotoError `storage_full`, `storage_unavailable`.
    """
    far, names, handful = Adopted(), Names(), list[Kept]()
    known = set(_adopted(owner).values_list("source_sha256", "sent_name"))
    for place in find(folder):
        path = plain(place.relative_to(folder).as_posix())
        try:
            content, header = _judged(place)
        except PhotoError as error:
            far.refused.append((path, error))
            yield far
            continue
        mark = (hashlib.sha256(content).hexdigest(), path)
        if mark in known:
            far.here += 1
        else:
            known.add(mark)
            if not dry_run:
                far.job = far.job or _job(owner, name or folder.resolve().name)
                upload = Upload(job=far.job, position=far.photos, name=names.give(path), sent_name=path)
                handful.append(_kept(upload, content, header))
            far.photos, far.bytes = far.photos + 1, far.bytes + len(content)
        if len(handful) == HANDFUL:
            _write(handful)
        yield far
    _write(handful)


def find(folder: Path) -> Iterator[Path]:
    """The files in a folder and below, in order; no hidden ones, no links, none of our own."""
    top = folder.resolve()
    own = folder / settings.FILES_DIR.relative_to(top) if settings.FILES_DIR.is_relative_to(top) else None
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(place, name) != own)
        for name in sorted(files):
            found = Path(place, name)
            if not name.startswith(".") and found.is_file() and not found.is_symlink():
                yield found


def _adopted(owner: User) -> "QuerySet[Upload]":
    return Upload.objects.filter(job__owner=owner, job__deleted_at=None, facts__adopted=True)


def _judged(place: Path) -> tuple[bytes, Header]:
    """Raises PhotoError when it is no photo that this house takes. No worker will open it, so it is read whole."""
    try:
        limits.check_size(place.stat().st_size)
        content = place.read_bytes()
    except OSError as error:
        raise PhotoError("failed_to_read_image", reason=str(error.strerror)) from None
    image = header.opened(BytesIO(content), len(content), limits.house(), whole=True)
    found = header.describe(image)
    with header.reading():
        image.load()
    return content, found


def _job(owner: User, name: str) -> Job:
    """Hidden until its first photos are in, like every job in the making."""
    return Job.objects.create(owner=owner, name=plain(name)[:200], recipe=UNTOUCHED, deleted_at=timezone.now())


def _kept(upload: Upload, content: bytes, header: Header) -> Kept:
    """The file as the original and as the result, which share its bytes on the disk until one of them goes."""
    job, form = upload.job, header.format
    storage.check_space(len(content))
    original = storage.write(storage.new_key(job.owner_id, job.pk, "originals", form), [content])
    result = replace(original, key=storage.new_key(job.owner_id, job.pk, "results", form))
    storage.link(original.key, result.key)
    upload.source, upload.source_sha256, upload.source_bytes = original.key, original.sha256, original.bytes
    upload.source_format, upload.source_width, upload.source_height = form, header.width, header.height
    upload.facts = {"recipe": UNTOUCHED, "adopted": True, **_facts(header, len(content))}
    named = "jpg" if form == "jpeg" else form
    return upload, variants.File("result", result, named, header.width, header.height)


def _facts(header: Header, size: int) -> dict[str, Any]:
    told = {"format": header.format, "width": header.width, "height": header.height, "bytes": size}
    return {f"{of}_{name}": value for of in ("source", "result") for name, value in told.items()}


def _write(handful: list[Kept]) -> None:
    """Their rows, and the small pictures that they lack; then the handful is empty."""
    if not handful:
        return
    uploads = [upload for upload, _ in handful]
    with transaction.atomic():
        Job.objects.filter(pk=uploads[0].job_id).update(deleted_at=None, touched_at=timezone.now())
        ledger.adopt(uploads, [result for _, result in handful])
        variants.expect_all(backfill.missing(uploads))
        queue.push()
    handful.clear()
