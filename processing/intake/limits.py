"""What this house takes in, from its settings. Only the header of a file is read, never its pixels."""

from io import BytesIO
from typing import BinaryIO

from django.conf import settings

from processing.errors import PhotoError
from processing.header import Header, Limits, judge


def house() -> Limits:
    return Limits(
        max_bytes=settings.MAX_FILE_BYTES,
        min_side=settings.MIN_SIDE,
        max_side=settings.MAX_SIDE,
    )


def check(file: BinaryIO, size: int) -> Header:
    """What the file of `size` bytes is. Raises PhotoError when it is no photo that this house takes."""
    return judge(file, size, house())


def check_size(size: int) -> None:
    """Raises PhotoError `file_too_large`."""
    if size > settings.MAX_FILE_BYTES:
        judge(BytesIO(), size, house())  # which looks at the size before anything else


def check_count(number: int) -> None:
    """May one more come in one request, after `number` of them? Raises PhotoError `too_many_files`."""
    if number >= settings.MAX_FILES:
        raise PhotoError("too_many_files", limit=settings.MAX_FILES)
