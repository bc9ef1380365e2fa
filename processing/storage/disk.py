"""Files in one folder of this machine.

A file is written as `.part`, fsynced, and moved into place; one that came in from outside is written already. A hidden
file marks the folder by an id that the database remembers: where it is not, the disk is not mounted, and nothing is
missing, only out of reach.
"""

import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

import structlog
from django.conf import settings
from django.db import transaction

from processing.errors import PhotoError
from processing.storage import place as places
from processing.storage.part import CHUNK, Part
from processing.storage.store import MARK, Seen, Store, Stored

log = structlog.stdlib.get_logger(__name__)

_known: set[str] = set()  # ids of which this process knows that they are those of the house


def path(key: str) -> Path:
    """The place of a key on this machine. Raises ValueError for a key that leaves the folder."""
    place = (settings.FILES_DIR / key).resolve()
    if not place.is_relative_to(settings.FILES_DIR):
        raise ValueError(f"{key!r} is not a key")
    return place


class Disk(Store):
    def check(self) -> None:
        """Cheap, as it comes before every write: the database is asked once."""
        with _told():
            if _mark() not in _known:
                self.settle()

    def settle(self) -> None:
        with _told(), transaction.atomic():  # of two that begin a house, the second one waits, and finds the mark
            _known.add(self._settled())

    def _settled(self) -> str:
        """The id in the mark, which the database remembers too. What has no mark yet is this folder where the house is
        new, or where its files are. Raises Elsewhere, Foreign, PhotoError, OSError, DatabaseError."""
        seen = _mark()
        if not places.remembered():
            is_foreign = (seen or places.is_new()) and not _holds_files() and places.is_used(self)
            if is_foreign and not places.remembered():  # asked again: another may have begun the house, and kept a file
                raise places.Foreign
            if seen is None and _holds_files() is False:
                raise _unmounted()
        found = places.settle(made := seen or _new_id())
        if not seen and (found == made or (found.startswith(places.DISK) and _holds_files())):
            _write(found)
        elif not (seen := seen or _mark()) and found.startswith(places.DISK):
            raise _unmounted()
        elif seen != found:
            raise places.Elsewhere(found)
        return found

    def claim(self) -> None:
        """A mark that has an id keeps it: the folder may have been moved with it."""
        with _told():
            _write(places.settle(_mark() or _new_id()))

    def space(self) -> tuple[int, int]:
        self.check()
        try:
            disk = shutil.disk_usage(settings.FILES_DIR)
        except OSError as error:
            raise PhotoError("storage_unavailable") from error
        return disk.free, disk.total

    def write(self, key: str, chunks: Iterable[bytes]) -> Stored:
        self.check()
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
            raise _failed(error) from error
        return Stored(key, size, digest.hexdigest())

    def take(self, parts: Mapping[str, Part]) -> list[Stored]:
        """Each gets a second name, as its first one goes with the request; that they have it is made sure at once."""
        self.check()
        folders = {path(key).parent for key in parts}
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for key, part in parts.items():
                part.flush()
                self._name(part, key)
            for folder in folders:
                _sync_folder(folder)
        except OSError as error:
            raise _failed(error) from error
        return [Stored(key, part.size, part.sha256) for key, part in parts.items()]

    def _name(self, part: Part, key: str) -> None:
        try:
            _link(part.path, path(key))
        except OSError:  # the scratch space lies on another disk, or on one without links
            self.write(key, part.chunks())

    @contextmanager
    def opened(self, key: str) -> Iterator[BinaryIO]:
        with self._open(key) as file:
            yield file

    def _open(self, key: str) -> BinaryIO:
        try:
            return path(key).open("rb")
        except FileNotFoundError as error:
            self.check()
            raise PhotoError("original_missing") from error
        except OSError as error:
            raise PhotoError("storage_unavailable") from error

    def size(self, key: str) -> int | None:
        try:
            return path(key).stat().st_size
        except FileNotFoundError:
            self.check()
            return None
        except OSError as error:
            raise PhotoError("storage_unavailable") from error

    def pieces(self, key: str, part: range | None = None) -> Iterator[bytes]:
        with self._open(key) as file:
            try:
                left = os.fstat(file.fileno()).st_size if part is None else len(part)
                file.seek(part.start if part else 0)
                while left and (piece := file.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
            except OSError as error:
                raise PhotoError("storage_unavailable") from error

    def link(self, key: str, to: str) -> None:
        """The bytes lie on the disk once."""
        self.check()
        try:
            path(to).parent.mkdir(parents=True, exist_ok=True)
            _link(path(key), path(to))
            _sync_folder(path(to).parent)
        except OSError:  # a file system without links
            with self.opened(key) as file:
                self.write(to, iter(partial(file.read, CHUNK), b""))

    def delete(self, keys: Iterable[str]) -> None:
        for key in filter(None, keys):
            try:
                path(key).unlink(missing_ok=True)
            except OSError as error:
                log.warning("file_not_removed", key=key, reason=str(error))

    def delete_folder(self, folder: str) -> None:
        shutil.rmtree(path(folder), ignore_errors=True)

    def folders(self, inside: str = "") -> Iterator[str]:
        """A link is not ours."""
        for place in path(inside).glob("*"):
            if place.is_dir() and not place.is_symlink():
                yield place.relative_to(settings.FILES_DIR).as_posix()

    def files(self, folder: str) -> Iterator[Seen]:
        now = time.time()
        for place, _, names in os.walk(path(folder)):
            for name in names:
                found = Path(place, name)
                with suppress(FileNotFoundError):  # somebody deletes it just now
                    stat = found.lstat()
                    if S_ISREG(stat.st_mode):  # a link is not ours
                        yield Seen(found.relative_to(settings.FILES_DIR).as_posix(), stat.st_size, now - stat.st_mtime)

    def untouched(self, folder: str, seconds: float) -> bool:
        return path(folder).stat().st_mtime < time.time() - seconds


def _failed(error: OSError) -> PhotoError:
    return PhotoError("storage_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "storage_unavailable")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PhotoError("storage_unavailable", reason=error.strerror or type(error).__name__) from error


# ---- the mark -------------------------------------------------------------------------------------------------------


def _new_id() -> str:
    return f"{places.DISK}{uuid.uuid4().hex}"


def _mark() -> str | None:
    """The id; empty in a mark of an older version. None where there is no mark. Raises OSError."""
    try:
        return (settings.FILES_DIR / MARK).read_text().strip()
    except FileNotFoundError:
        return None


def _write(found: str) -> None:
    settings.FILES_DIR.mkdir(parents=True, exist_ok=True)
    part = settings.FILES_DIR / f"{MARK}.part"
    part.write_text(f"{found}\n")
    os.replace(part, settings.FILES_DIR / MARK)


def _holds_files() -> bool | None:
    return places.holds(lambda key: path(key).is_file())


def _unmounted() -> PhotoError:
    return PhotoError("storage_unavailable", reason="The disk is not mounted, or the files of this house lie elsewhere")


def _link(file: Path, to: Path) -> None:
    """As young as a copy would be: what no row names is spared by its age alone. Raises OSError."""
    os.link(file, to)
    os.utime(to)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
