"""Where files live: under one folder, by keys that never contain a person's file name.

A file is written as `.part`, fsynced, and moved into place, so that a key names a whole file or nothing. A hidden file
marks the folder: where it is not, the disk is not mounted, and nothing is missing, only out of reach.
"""

import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

import structlog
from django.conf import settings

from processing.errors import PhotoError
from processing.models import Upload

log = structlog.stdlib.get_logger(__name__)

CHUNK = 256 * 1024
MARK = ".photoproc"
BACKGROUNDS = "backgrounds"
FOLDER = re.compile(rf"[0-9]{{1,18}}/([0-9]{{1,18}}|{BACKGROUNDS})")
SAMPLES = 5  # files of which one must be there, where a folder has no mark yet


@dataclass(frozen=True)
class Stored:
    """A file in the house. `sha256` is hexadecimal."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Seen:
    """A file that lies here; `age` is in seconds."""

    key: str
    bytes: int
    age: float


def new_key(owner_id: int, job_id: int, kind: str, suffix: str) -> str:
    """A fresh key, such as `7/412/results/0f…c2.png`; `kind` is the folder (originals, archives, results)."""
    return f"{owner_id}/{job_id}/{kind}/{uuid.uuid4().hex}.{suffix}"


def path(key: str) -> Path:
    """The place of a key on this machine. Raises ValueError for a key that leaves the folder."""
    place = (settings.FILES_DIR / key).resolve()
    if not place.is_relative_to(settings.FILES_DIR):
        raise ValueError(f"{key!r} is not a key")
    return place


def check() -> None:
    """Raises PhotoError `storage_unavailable` where the folder is not there, or is not that of this house."""
    try:
        if not (settings.FILES_DIR / MARK).is_file():
            _mark()
    except OSError as error:
        raise PhotoError("storage_unavailable") from error


def _mark() -> None:
    """A new house has no files yet; one of an older version has them in this folder."""
    newest = Upload.objects.exclude(source="").order_by("-pk").values_list("source", flat=True)[:SAMPLES]
    known = [path(key) for key in newest]
    if known and not any(place.is_file() for place in known):
        raise PhotoError("storage_unavailable")
    settings.FILES_DIR.mkdir(parents=True, exist_ok=True)
    (settings.FILES_DIR / MARK).touch()


def holds(key: str) -> bool:
    """Whether there is such a file. Raises PhotoError `storage_unavailable` where that cannot be told."""
    try:
        path(key).stat()
    except FileNotFoundError:
        check()
        return False
    except OSError as error:
        raise PhotoError("storage_unavailable") from error
    return True


def write(key: str, chunks: Iterable[bytes]) -> Stored:
    """Write a file wholly or not at all; it has reached the disk when this returns.

    Raises PhotoError `storage_full` or `storage_unavailable`.
    """
    check()
    place = path(key)
    part = place.with_name(place.name + ".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest, size = hashlib.sha256(), 0
            with part.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, place)
            _sync_folder(place.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        code = "storage_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "storage_unavailable"
        raise PhotoError(code) from error
    return Stored(key, size, digest.hexdigest())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(key: str) -> bytes:
    """Raises PhotoError `original_missing` when there is no such file, `storage_unavailable` when it cannot be read."""
    with opened(key) as file:
        try:
            return file.read()
        except OSError as error:
            raise PhotoError("storage_unavailable") from error


@contextmanager
def opened(key: str) -> Iterator[BinaryIO]:
    """The file, open for reading. Raises PhotoError `original_missing` or `storage_unavailable`."""
    try:
        file = path(key).open("rb")
    except FileNotFoundError as error:
        check()
        raise PhotoError("original_missing") from error
    except OSError as error:
        raise PhotoError("storage_unavailable") from error
    with file:
        yield file


def delete(keys: Iterable[str]) -> None:
    """What cannot be removed now is logged; no row names it, so `inventory` finds it later."""
    for key in filter(None, keys):
        try:
            path(key).unlink(missing_ok=True)
        except OSError as error:
            log.warning("file_not_removed", key=key, reason=str(error))


def delete_job(owner_id: int, job_id: int) -> None:
    """Remove every file of a job."""
    shutil.rmtree(path(f"{owner_id}/{job_id}"), ignore_errors=True)


def job_folders(*, older_than: float) -> Iterator[tuple[int, int]]:
    """(owner id, job id) of each job that has files here, untouched for so many seconds."""
    before = time.time() - older_than
    for folder in folders():
        owner_id, name = folder.split("/")
        if name != BACKGROUNDS and path(folder).stat().st_mtime < before:
            yield int(owner_id), int(name)


def folders() -> Iterator[str]:
    """Each folder of one job's files or one person's backgrounds, such as `7/412`, `7/backgrounds`. What else lies here
    is not ours."""
    for place in settings.FILES_DIR.glob("*/*"):
        folder = place.relative_to(settings.FILES_DIR).as_posix()
        if FOLDER.fullmatch(folder) and place.is_dir() and not (place.is_symlink() or place.parent.is_symlink()):
            yield folder


def files(folder: str) -> Iterator[Seen]:
    """Every file in one of the `folders`."""
    now = time.time()
    for place, _, names in os.walk(path(folder)):
        for name in names:
            found = Path(place, name)
            with suppress(FileNotFoundError):  # somebody deletes it just now
                stat = found.lstat()
                if S_ISREG(stat.st_mode):  # a link is not ours
                    yield Seen(found.relative_to(settings.FILES_DIR).as_posix(), stat.st_size, now - stat.st_mtime)


def link(key: str, to: str) -> None:
    """Give a file a second key; each can be deleted for itself, and the bytes lie on the disk once.

    Raises PhotoError as `write` does.
    """
    check()
    try:
        path(to).parent.mkdir(parents=True, exist_ok=True)
        os.link(path(key), path(to))
        _sync_folder(path(to).parent)
    except OSError:  # a file system without links
        with opened(key) as file:
            write(to, iter(partial(file.read, CHUNK), b""))


def new_background_key(owner_id: int, suffix: str) -> str:
    """A fresh key of a picture that outlives every job, such as `7/backgrounds/0f…c2.png`."""
    return f"{owner_id}/{BACKGROUNDS}/{uuid.uuid4().hex}.{suffix}"


def background_keys(*, older_than: float) -> Iterator[str]:
    """The key of each background that lies here, untouched for so many seconds."""
    for folder in folders():
        if folder.endswith(BACKGROUNDS):
            yield from (seen.key for seen in files(folder) if seen.age > older_than)


def check_space(coming: int = 0) -> None:
    """Raises PhotoError `storage_full` when `coming` bytes would leave less than the floor free, or as `check` does."""
    if space()[0] - coming < settings.FREE_SPACE_FLOOR:
        raise PhotoError("storage_full")


def space() -> tuple[int, int]:
    """Bytes that are free, and all there are. Raises PhotoError as `check` does."""
    check()
    try:
        disk = shutil.disk_usage(settings.FILES_DIR)
    except OSError as error:
        raise PhotoError("storage_unavailable") from error
    return disk.free, disk.total
