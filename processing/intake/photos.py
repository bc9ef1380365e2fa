"""The one door for photos: each file is judged by its header, kept on disk, and then written down, all or nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from processing import allowances, announce, backgrounds, installed, ledger, outage, outbox, storage, tally, trace
from processing.errors import PhotoError
from processing.hooks import callback
from processing.intake import arriving, look, receipts
from processing.intake.answer import Answer, Refused
from processing.intake.look import Found
from processing.intake.names import Names, clean, plain, split
from processing.models import Archive, Job, Refusal, Token, Upload
from processing.recipe import Recipe
from processing.storage import Stored

__all__ = [
    "Answer", "Refused", "accept", "accept_samples", "add", "check", "close", "hidden_job", "nothing", "placed",
    "sample_folder", "takes_more", "title_of", "written",
]  # fmt: skip

log = structlog.stdlib.get_logger(__name__)

LONGEST = timedelta(days=1)  # that a request may take, until all that it sent lies in a slow bucket
SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png")


def accept(
    user: User, files: "Sequence[File[Any]]", recipe: Recipe, *, name: str = "", open: bool = False, key: str = "",
    token: Token | None = None, callback_url: str = "", fingerprint: str = "",
) -> Answer:  # fmt: skip
    """Make a job of the files; `open` keeps it open for more, and makes it even when none of these was accepted.

    The same `key` gives the first answer again (`receipts.once`, also for `fingerprint`). `callback_url` is told of
    the job's end.

    Raises PhotoError `model_not_installed`, `model_not_allowed`, `background_missing`, `storage_full`,
    `storage_unavailable`, `limit_reached` (then none of it is kept), and what `receipts.once` and `callback.expect` do.
    """
    check(user.pk, recipe)

    def work(keep: receipts.Keep) -> Answer:
        found, refused = look.at(files)
        if not found and not open:
            return nothing(refused, keep)
        _check_space(found)
        names = [one.name for one in found or refused]
        title = plain(name).strip() or title_of(names[:1] if open else names)
        with hidden_job(user, title, recipe, is_open=open, token=token) as job:
            return _take_in(job, Job.objects.filter(pk=job.pk), found, refused, keep, callback_url=callback_url)

    return receipts.once(user, key, work, fingerprint)


def add(job: Job, files: "Sequence[File[Any]]", *, key: str = "", fingerprint: str = "") -> Answer:
    """Put more files into an open job. Raises PhotoError `job_closed` and what `accept` raises."""

    def work(keep: receipts.Keep) -> Answer:
        rows = takes_more(job)
        found, refused = look.at(files)
        _check_space(found)
        return _take_in(job, rows, found, refused, keep)

    return receipts.once(job.owner, key, work, fingerprint)


def check(person_id: int, recipe: Recipe) -> None:
    """Raises PhotoError `model_not_installed`, `model_not_allowed`, `background_missing`."""
    installed.check(recipe)
    backgrounds.check(person_id, recipe)


def takes_more(job: Job) -> "QuerySet[Job]":
    """The job while it may take more files; one of a product CSV is open only while its rows get their photos.

    Raises PhotoError `job_closed`.
    """
    rows = Job.objects.filter(pk=job.pk, is_open=True, deleted_at=None)
    if hasattr(job, "product_csv") or not rows.exists():
        raise PhotoError("job_closed")
    return rows


def close(job: Job) -> None:
    """The job takes no more files; one that got no photo is deleted. (That of a product CSV closes by itself.)"""
    if hasattr(job, "product_csv"):
        return
    with transaction.atomic():
        closed = Job.objects.filter(pk=job.pk, is_open=True).update(is_open=False)
        empty, _ = Job.objects.filter(pk=job.pk, uploads=None).delete()
        if closed and not empty:
            _name_all(job)
            outbox.ended(outbox.hold(job.pk))
        announce.job_changed(job.pk)
    if empty:
        storage.delete_job(job.owner_id, job.pk)


def accept_samples(user: User, recipe: Recipe, *, key: str = "") -> Answer:
    """Make a job of scikit-image's pictures of an astronaut, a cat and a cup of coffee."""
    files = [File((sample_folder() / name).open("rb"), name) for name in SAMPLES]
    try:
        return accept(user, files, recipe, name="Sample photos", key=key)
    finally:
        for file in files:
            file.close()


def sample_folder() -> Path:
    """Where scikit-image keeps its pictures. Raises PhotoError `original_missing`."""
    spec = find_spec("skimage")  # found, not imported: the web process stays light
    if not spec or not spec.origin:
        raise PhotoError("original_missing")
    return Path(spec.origin).parent / "data"


def title_of(names: Sequence[str]) -> str:
    """A job that nobody named has the name of its first file, and says how many came with it."""
    return _title(names[0] if names else "", len(names))


def _title(first: str, count: int) -> str:
    stem = split(clean(first))[0]
    return f"{stem} and {count - 1:,} more" if count > 1 else stem


def _name_all(job: Job) -> None:
    """An open job had the name of its first file alone; now it is known how many there are."""
    first = job.uploads.select_related("archive").order_by("position").first()
    if first is None:
        return
    name = first.archive.name if first.archive else first.sent_name
    count = job.uploads.filter(archive=None).count() + job.archives.count()
    Job.objects.filter(pk=job.pk, name=_title(name, 1)).update(name=_title(name, count)[:200])


def _check_space(found: Sequence[Found]) -> None:
    """For what is to come out of ZIPs: the files themselves are here already."""
    storage.check_door(sum(entry.bytes for one in found for entry in one.entries))


@contextmanager
def hidden_job(user: User, name: str, recipe: Recipe, **values: Any) -> Iterator[Job]:
    """A job that nobody sees until its files are in; should this process die, it is purged as one that is deleted when
    no request sends any more."""
    job = Job.objects.create(owner=user, name=name[:200], recipe=recipe.to_json(), deleted_at=timezone.now() + LONGEST,
                             request_id=trace.number(), **values)  # fmt: skip
    try:
        yield job
    except BaseException:
        if Job.objects.filter(pk=job.pk, deleted_at__isnull=False, uploads=None).delete()[0]:
            storage.delete_job(job.owner_id, job.pk)
        raise


def nothing(refused: list[Refused], keep: receipts.Keep) -> Answer:
    """None of it came in: there is no job."""
    answer = Answer.of(None, 0, refused)
    keep(answer)
    return answer


def _take_in(
    job: Job, rows: "QuerySet[Job]", found: Sequence[Found], refused: list[Refused], keep: receipts.Keep,
    *, callback_url: str = "",
) -> Answer:  # fmt: skip
    """Keep the files, then write everything down in one transaction; `rows` is the job while it may still take them."""
    with _stored(job, found) as (stored, is_safe), transaction.atomic():
        transaction.on_commit(is_safe)
        size = sum(one.size if one.header else sum(entry.bytes for entry in one.entries) for one in found)
        return written(rows, lambda locked: _uploads(locked, found, stored), refused, keep, callback_url, size=size)


def written(
    rows: "QuerySet[Job]", make: Callable[[Job], list[Upload]], refused: list[Refused], keep: receipts.Keep,
    callback_url: str = "", *, size: int = 0,
) -> Answer:  # fmt: skip
    """Give the job its photos, of `size` bytes where they are here; from then on it is to be seen. Must run in a
    transaction. Raises PhotoError `job_closed` where `rows` is empty by now, and what `allowances.check` and
    `callback.expect` do."""
    locked = rows.select_for_update().first()
    if not locked:
        raise PhotoError("job_closed")
    new = make(locked)
    allowances.check(locked.owner_id, len(new), size)
    uploads = ledger.create(new)
    Refusal.objects.bulk_create(
        [Refusal(job=locked, name=one.name, code=one.code, detail=one.detail) for one in refused], batch_size=500
    )
    if callback_url:
        callback.expect(locked, callback_url)
    locked.deleted_at, locked.touched_at = None, timezone.now()
    locked.save(update_fields=["deleted_at", "touched_at"])
    transaction.on_commit(partial(log.info, "photos_taken_in", job_id=locked.pk, count=len(uploads)))
    answer = Answer.of(locked, len(uploads), refused)
    keep(answer)
    if uploads:
        tally.add(locked.owner_id, jobs=int(uploads[0].position == 0), photos=len(uploads))
    return answer


@contextmanager
def _stored(job: Job, found: Sequence[Found]) -> Iterator[tuple[list[Stored], Callable[[], None]]]:
    """The files in storage; a failure deletes them again, unless the function given beside them was called: the rows
    are safe then, and whatever fails after the commit must not cost a photo. A database that went away may have
    committed without saying so: then housekeeping finds what no row knows."""
    unsafe = [storage.new_key(job.owner_id, job.pk, one.kind, one.suffix) for one in found]
    try:
        yield arriving.take(unsafe, [one.file for one in found]), unsafe.clear
    except BaseException as error:
        if not outage.of(error):
            storage.delete(unsafe)
        raise


def _uploads(job: Job, found: Sequence[Found], stored: Sequence[Stored]) -> list[Upload]:
    made: list[Upload] = []
    for one, file in zip(found, stored, strict=True):
        made += [_photo(one, file)] if one.header else _entries(job, one, file)
    return placed(job, made)


def placed(job: Job, made: list[Upload]) -> list[Upload]:
    """The same, each with its place and its name in the job."""
    names = Names(job.uploads.values_list("name", flat=True))
    last = job.uploads.aggregate(last=Max("position"))["last"]
    for position, upload in enumerate(made, 0 if last is None else last + 1):
        upload.job, upload.position, upload.name = job, position, names.give(upload.sent_name)
    return made


def _photo(one: Found, file: Stored) -> Upload:
    assert one.header
    return Upload(
        sent_name=one.name, source=file.key, source_bytes=file.bytes, source_sha256=file.sha256,
        source_format=one.header.format, source_width=one.header.width, source_height=one.header.height,
    )  # fmt: skip


def _entries(job: Job, one: Found, file: Stored) -> list[Upload]:
    archive = Archive.objects.create(job=job, name=clean(one.name), key=file.key, bytes=file.bytes)
    return [Upload(sent_name=entry.name, archive=archive, entry=entry.index) for entry in one.entries]
