"""Files of a request, while they come: each byte is written once, to where storage takes it over."""

import errno
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from processing import storage
from processing.errors import PhotoError
from processing.header import FIRST_BYTES, is_photo
from processing.storage import Part, Stored


class Arrived(UploadedFile):  # type: ignore[type-arg]
    """A file that lies in the scratch space; closed, it is gone."""

    def __init__(self, part: Part, name: str | None, content_type: str | None) -> None:
        super().__init__(part.file, name, content_type)
        self.part = part

    def close(self) -> None:
        self.part.close()


class Handler(FileUploadHandler):
    """What Django's parser hands each file to, unless the whole request is small enough for the memory."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._parts = ExitStack()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Raises PhotoError `storage_full` or `scratch_full` where what came meanwhile has filled the disk."""
        super().new_file(*args, **kwargs)
        with _told():
            if shutil.disk_usage(settings.TMP_DIR).free < settings.FREE_SPACE_FLOOR:
                raise _full()
            self.file = Arrived(self._parts.enter_context(Part()), self.file_name, self.content_type)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """What is larger than a photo may be is only counted, so that it can be told how large it was."""
        part = self.file.part
        if start == 0:
            self._most = settings.MAX_FILE_BYTES if is_photo(raw_data[:FIRST_BYTES]) else settings.MAX_BODY_BYTES
        with _told():
            (part.write if part.size <= self._most else part.count)(raw_data)

    def file_complete(self, file_size: int) -> Arrived:
        with _told():
            self.file.part.finish()
        self.file.size = file_size
        return self.file

    def close(self) -> None:
        """Whatever became of the request: what storage did not take over is gone."""
        self._parts.close()


def _full() -> PhotoError:
    return PhotoError("scratch_full" if settings.STORAGE else "storage_full")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _full() if is_full else PhotoError("storage_unavailable", reason=error.strerror) from error


def take(keys: Sequence[str], files: "Sequence[File[Any]]") -> list[Stored]:
    """The files, under these keys. Raises PhotoError as `storage.take` does."""
    with ExitStack() as made:
        return storage.take({key: _part(file, made) for key, file in zip(keys, files, strict=True)})


def _part(file: "File[Any]", made: ExitStack) -> Part:
    """What a file came as; one that came another way is written now."""
    if isinstance(file, Arrived):
        return file.part
    with _told():
        part = made.enter_context(Part())
        for chunk in file.chunks():
            part.write(chunk)
    return part


def sha256(file: "File[Any]") -> str:
    """Of its content, hexadecimal."""
    if isinstance(file, Arrived):
        return file.part.sha256
    whole = hashlib.sha256()
    for chunk in file.chunks():
        whole.update(chunk)
    return whole.hexdigest()
