"""A file on its way in: written once, into the scratch space, and taken over from there (`storage.take`)."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Self, cast

from django.conf import settings

CHUNK = 256 * 1024  # bytes that are read at once

_flushing = ThreadPoolExecutor(2, "flush")


class Part:
    """What comes is written into `file`, which can be read too; its size and its SHA-256 are known when the last byte
    is here. Closed, it is gone, unless storage took it over."""

    def __init__(self) -> None:
        self.path = settings.TMP_DIR / f"{uuid.uuid4().hex}.part"
        self.file = cast(BinaryIO, self.path.open("x+b"))
        self.size = 0
        self._digest = hashlib.sha256()
        self._flushed: Future[None] | None = None

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.count(data)

    def count(self, data: bytes) -> None:
        """Into size and sum alone: of what is too large anyway, the rest is not written."""
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """It is whole: it goes to the disk while the next one comes."""
        self.file.flush()
        if settings.STORAGE is None:
            self._flushed = _flushing.submit(os.fsync, self.file.fileno())

    def flush(self) -> None:
        """It is safe on the disk when this returns. Raises OSError."""
        if self._flushed:
            self._flushed.result()
        else:
            self.file.flush()
            os.fsync(self.file.fileno())

    def chunks(self) -> Iterator[bytes]:
        self.file.seek(0)
        while data := self.file.read(CHUNK):
            yield data

    def close(self) -> None:
        if self._flushed:
            self._flushed.exception()  # waited for: its descriptor would be another file's
        self.file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
