"""Where files live: in a folder of this machine, or in a bucket (`STORAGE_URL`), by keys that never contain a person's
file name. Nothing else opens one.
"""

import random
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO

from django.conf import settings

from processing import breaker
from processing.errors import PhotoError
from processing.storage import place
from processing.storage.disk import Disk
from processing.storage.part import CHUNK, Part
from processing.storage.place import Elsewhere, Foreign
from processing.storage.store import BACKGROUNDS, INCOMING, MARK, OURS, OWNER, Post, Seen, Store, Stored

__all__ = ["BACKGROUNDS", "CHUNK", "INCOMING", "MARK", "OURS", "Elsewhere", "Foreign", "Part", "Post", "Seen", "Stored"]


def _store() -> Store:
    if settings.STORAGE is None:
        return Disk()
    from processing.storage.bucket import of  # a house with a disk needs none of its libraries

    return of(settings.STORAGE)


# ---- keys ------------------------------------------------------------------------------------------------------------


def new_key(owner_id: int, job_id: int, kind: str, suffix: str) -> str:
    """A fresh key, such as `7/412/results/0f…c2.png`; `kind` is the folder (originals, archives, results, variants)."""
    return f"{owner_id}/{job_id}/{kind}/{uuid.uuid4().hex}.{suffix}"


def new_background_key(owner_id: int, suffix: str) -> str:
    """A fresh key of a picture that outlives every job, such as `7/backgrounds/0f…c2.png`."""
    return f"{owner_id}/{BACKGROUNDS}/{uuid.uuid4().hex}.{suffix}"


def new_incoming_key(owner_id: int) -> str:
    """A fresh key for what somebody sends straight into the bucket, such as `7/incoming/0f…c2`."""
    return f"{owner_id}/{INCOMING}/{uuid.uuid4().hex}"


# ---- one file --------------------------------------------------------------------------------------------------------


def write(key: str, chunks: Iterable[bytes]) -> Stored:
    """Write a file wholly or not at all; it is safe when this returns.

    Raises PhotoError `storage_full`, `scratch_full` or `storage_unavailable`.
    """
    return _store().write(key, chunks)


def take(parts: Mapping[str, Part]) -> list[Stored]:
    """The files of these keys, in order, out of what has come: on a disk no byte is written again. All are safe when
    this returns; where it raises, some may be here already. Raises PhotoError as `write` does."""
    return _store().take(parts)


def opened(key: str) -> AbstractContextManager[BinaryIO]:
    """The file, open for reading, in any order. Raises PhotoError `original_missing` or `storage_unavailable`."""
    return _store().opened(key)


def read(key: str) -> bytes:
    """All of it. Raises PhotoError as `opened` does."""
    return b"".join(_store().pieces(key))


def pieces(key: str, part: range | None = None) -> Iterator[bytes]:
    """The bytes in order, all or this part of them. Raises PhotoError as `opened` does, at the first piece."""
    return _store().pieces(key, part)


def size(key: str) -> int | None:
    """In bytes; None where there is no such file. Raises PhotoError `storage_unavailable` where that cannot be told."""
    return _store().size(key)


def holds(key: str) -> bool:
    """Whether there is such a file. Raises PhotoError `storage_unavailable` where that cannot be told."""
    return size(key) is not None


def link(key: str, to: str) -> None:
    """Give a file a second key; each can be deleted for itself. Raises PhotoError as `write` does."""
    _store().link(key, to)


def delete(keys: Iterable[str]) -> None:
    """What cannot be removed now is logged; no row names it, so `inventory` finds it later."""
    _store().delete(keys)


# ---- straight from and into a bucket ---------------------------------------------------------------------------------


def address(key: str, content_type: str, disposition: str) -> str | None:
    """Where anybody can fetch the file for a while; None where we send it ourselves."""
    return _store().address(key, content_type, disposition)


def post(key: str, content_type: str, most: int) -> Post | None:
    """Leave to send one file straight into the bucket; None where it has to come to us."""
    return _store().post(key, content_type, most)


def origin() -> str | None:
    """Where a browser meets the bucket, such as `https://minio.example.com`; None where it meets us alone."""
    return settings.STORAGE.origin if settings.STORAGE else None


# ---- all files -------------------------------------------------------------------------------------------------------


def delete_job(owner_id: int, job_id: int) -> None:
    """Remove every file of a job."""
    _store().delete_folder(f"{owner_id}/{job_id}")


def folders() -> Iterator[str]:
    """Each folder of one job's files or one person's other ones, such as `7/412`, `7/backgrounds`. What else lies here
    is not ours. Whoever has no time for all meets others the next time."""
    owners = list(filter(OWNER.fullmatch, _store().folders()))
    random.shuffle(owners)
    for owner in owners:
        yield from filter(OURS.fullmatch, _store().folders(owner))


def files(folder: str) -> Iterator[Seen]:
    """Every file in one of the `folders`."""
    return _store().files(folder)


def untouched(owner_id: int, job_id: int, seconds: float) -> bool:
    """Whether no file was added to the job's for so long."""
    return _store().untouched(f"{owner_id}/{job_id}", seconds)


def clear_parts(older_than: float) -> int:
    """Give up what was sent in parts and broke off so many seconds ago; gives how many."""
    return _store().clear_parts(older_than)


# ---- the place -------------------------------------------------------------------------------------------------------


def check() -> None:
    """Raises PhotoError `storage_unavailable` where it does not answer, or is not that of this house."""
    _store().check()


def answers() -> None:
    """As `check`, for who cannot wait longer than a few seconds; where it is left alone, at once."""
    _check_breaker()
    _store().answers()


def settle() -> None:
    """The database remembers where the files of this house lie; the first place is remembered.

    Raises Elsewhere where that is another one, PhotoError `storage_unavailable` where it cannot be told, DatabaseError.
    """
    _store().settle()


def own() -> None:
    """As `settle`; and the mark here has the id that the database remembers. Asked before anything is deleted because
    no row names it. Raises Foreign too."""
    _store().own()


def moved() -> None:
    """The operator says that the files of this house lie here from now on. Raises as `settle` does, and OSError."""
    place.forget()
    _store().claim()


def space() -> tuple[int, int] | None:
    """Bytes that are free, and all there are; None where there is no end to it. Raises PhotoError as `check` does."""
    return _store().space()


def check_space(coming: int = 0) -> None:
    """Raises PhotoError `storage_full` when `coming` bytes would leave less than the floor free, or as `check` does.

    Where a bucket has no end, this machine's own disk has, where all lies first: then `scratch_full`."""
    found = space()
    free = found[0] if found else shutil.disk_usage(settings.TMP_DIR).free
    if free - coming < settings.FREE_SPACE_FLOOR:
        raise PhotoError("storage_full" if found else "scratch_full")


def check_door(coming: int) -> None:
    """As `check_space`, for who wants to send something; where it is left alone, nobody waits for it."""
    _check_breaker()
    check_space(coming)


def _check_breaker() -> None:
    if row := breaker.open_ones().get(breaker.STORAGE):
        raise PhotoError("storage_unavailable", reason=row.reason)
