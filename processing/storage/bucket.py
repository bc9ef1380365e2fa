"""Files in a bucket: what holds for the buckets of all makers.

A file is spooled before it is sent, so that its sums are known and what arrived can be judged by them. Before a write
nobody looks for the mark: a bucket that is not there says so itself.
"""

import errno
import hashlib
import io
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, ClassVar, cast

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from photoproc.addresses import StorageAddress
from processing.errors import PhotoError
from processing.storage import place
from processing.storage.part import CHUNK, Part
from processing.storage.reader import Reader
from processing.storage.store import MARK, Seen, Store, Stored

log = structlog.stdlib.get_logger(__name__)

PART = 8 * 1024 * 1024  # bytes that are sent at once, and held in memory
WINDOW = 1024 * 1024  # bytes that are fetched at once of a file that is read in any order
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 20, 2
PATIENCE, SLOWEST = 30, 20_000  # a file may take so many seconds, and one more for each so many bytes
QUICK_SECONDS = 2  # for each of the two, tried once, where nobody can wait


def of(address: StorageAddress) -> Store:
    """Raises PhotoError `storage_unavailable` where its library is not installed."""
    if address.scheme == "s3":
        from processing.storage.s3 import S3  # each is loaded only where it is used

        return S3(address)
    try:
        from processing.storage.google import Google
    except (ImportError, ImproperlyConfigured) as error:
        raise _failed("Its library is not installed: .venv/bin/pip install google-cloud-storage") from error
    return Google(address)


def timely(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Pieces of what `read` gives little by little, so many bytes at most each time. The time does not count that
    passes until the next piece is asked for. Raises TimeoutError, and OSError where not all of them came."""
    began, got, piece = time.monotonic(), 0, b""
    while data := read(CHUNK - len(piece)):
        got, piece = got + len(data), piece + data
        if time.monotonic() > began + PATIENCE + got / SLOWEST:
            raise TimeoutError(errno.ETIMEDOUT, "It sends too slowly")
        if len(piece) == CHUNK:
            given = time.monotonic()
            yield piece
            piece = b""
            began += time.monotonic() - given
    if got < size:
        raise OSError(errno.ECONNRESET, "The connection broke")
    if piece:
        yield piece


class Unsound(Exception):
    """The bucket keeps something else than what was sent."""


class Bucket(Store):
    """Names are whole, with our prefix; what is asked of a bucket's maker has a method that begins with an underscore
    and raises `errors`. A PhotoError says in its value `reason` why, and names no key."""

    errors: ClassVar[tuple[type[Exception], ...]]
    at_once: ClassVar[int] = 1000  # files that one request deletes

    def __init__(self, address: StorageAddress) -> None:
        self.at = address

    def check(self) -> None:
        with self._told():
            self._check()

    def settle(self) -> None:
        place.in_bucket(self._place)

    def own(self) -> None:
        place.own(self, place.in_bucket(self._place))

    def claim(self) -> None:
        self.write(MARK, [place.in_bucket(self._place).encode()])

    @property
    def _place(self) -> str:
        return f"{self.at.scheme}://{self.at.bucket}/{self.at.prefix}"

    def space(self) -> None:
        self.check()

    def write(self, key: str, chunks: Iterable[bytes]) -> Stored:
        with self._told(), SpooledTemporaryFile(PART, dir=str(settings.TMP_DIR)) as file:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
            self._send_whole(key, file, size)
        return Stored(key, size, digest.hexdigest())

    def take(self, parts: Mapping[str, Part]) -> list[Stored]:
        for key, part in parts.items():
            with self._told():
                self._send_whole(key, part.file, part.size)
        return [Stored(key, part.size, part.sha256) for key, part in parts.items()]

    def _send_whole(self, key: str, file: IO[bytes], size: int) -> None:
        file.seek(0)
        try:
            self._put(self._name(key), file, size)
        except Unsound as error:
            self.delete([key])
            raise _failed("What arrived is not what was sent") from error

    @contextmanager
    def opened(self, key: str) -> Iterator[BinaryIO]:
        size = self.size(key)
        if size is None:
            raise PhotoError("original_missing")
        with io.BufferedReader(Reader(self, key, size), WINDOW) as file:
            yield cast(BinaryIO, file)

    def size(self, key: str) -> int | None:
        with self._told():
            if (found := self._size(self._name(key))) is None:
                self._check()  # is it the file that is not there, or the bucket?
        return found

    def pieces(self, key: str, part: range | None = None) -> Iterator[bytes]:
        with self._told(key):
            if part is None or part:
                yield from self._get(self._name(key), part)

    def link(self, key: str, to: str) -> None:
        """The bucket copies it by itself."""
        with self._told(key):
            self._copy(self._name(key), self._name(to))

    def delete(self, keys: Iterable[str]) -> None:
        names = (self._name(key) for key in keys if key)
        while some := list(islice(names, self.at_once)):
            try:
                with self._told():
                    left = self._remove(some)
            except PhotoError as error:
                left = dict.fromkeys(some, str(error.values["reason"]))
            for name, reason in left.items():
                log.warning("file_not_removed", key=self._key(name), reason=reason)

    def delete_folder(self, folder: str) -> None:
        try:
            self.delete(seen.key for seen in self.files(folder))
        except PhotoError as error:
            log.warning("folder_not_removed", folder=folder, reason=error.values["reason"])

    def folders(self, inside: str = "") -> Iterator[str]:
        with self._told():
            for found in self._folders(self._name(inside and f"{inside}/")):
                yield self._key(found).rstrip("/")

    def files(self, folder: str) -> Iterator[Seen]:
        with self._told():
            for seen in self._files(f"{self._name(folder)}/"):
                yield Seen(self._key(seen.key), seen.bytes, seen.age)

    def untouched(self, folder: str, seconds: float) -> bool:
        return all(seen.age > seconds for seen in self.files(folder))

    def _name(self, key: str) -> str:
        """Raises ValueError for a key that leaves the folder: on its way a network may take the dots at their word."""
        if {".", ".."} & set(key.split("/")):
            raise ValueError(f"{key!r} is not a key")
        return self.at.prefix + key

    def _key(self, name: str) -> str:
        return name.removeprefix(self.at.prefix)

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        """What goes wrong is told as a PhotoError; that this file is missing too, where the bucket is there."""
        try:
            yield
        except self.errors as error:
            if key and self._is_missing(error):
                self.check()
                raise PhotoError("original_missing") from error
            raise _failed(self._reason(error), is_full=self._is_full(error)) from error
        except OSError as error:  # of the spool, or of a connection
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise PhotoError("scratch_full", reason=error.strerror) from error
            raise _failed(error.strerror or type(error).__name__) from error

    # ---- what each maker does in its own way -------------------------------------------------------------------------

    @abstractmethod
    def _check(self) -> None:
        """Does the bucket answer?"""

    @abstractmethod
    def _put(self, name: str, file: IO[bytes], size: int) -> None:
        """Raises Unsound where something else arrived than was sent."""

    @abstractmethod
    def _size(self, name: str) -> int | None: ...

    @abstractmethod
    def _get(self, name: str, part: range | None) -> Iterator[bytes]:
        """Raises where a piece is missing, rather than give a short file as whole."""

    @abstractmethod
    def _copy(self, name: str, to: str) -> None: ...

    @abstractmethod
    def _remove(self, names: list[str]) -> dict[str, str]:
        """Gives those that were not removed, each with the reason."""

    @abstractmethod
    def _folders(self, prefix: str) -> Iterator[str]:
        """The next step of all names that begin so, each once, with its slash."""

    @abstractmethod
    def _files(self, prefix: str) -> Iterator[Seen]:
        """With their whole names."""

    @abstractmethod
    def _is_missing(self, error: Exception) -> bool: ...

    @abstractmethod
    def _is_full(self, error: Exception) -> bool: ...

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """In a few words, without a key or a password."""


def _failed(reason: str, *, is_full: bool = False) -> PhotoError:
    log.warning("storage_failed", reason=reason)
    return PhotoError("storage_full" if is_full else "storage_unavailable", reason=reason)
