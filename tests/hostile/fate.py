"""What becomes of a file: judged at the door, and read by a worker, behind the walls that a worker has."""

import io
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil

from processing import header
from processing.errors import PhotoError
from processing.pipeline.decode import Source, decode
from tests.pipeline.conftest import LIMITS

ROOM = 1_000_000_000  # bytes that a reader may take; a worker has three times its limit
REFUSALS = {
    "failed_to_read_image", "invalid_file_type", "file_too_large", "resolution_too_high", "image_too_small",
}  # fmt: skip


class Fate(NamedTuple):
    """The format that each makes of it, or the code that it is refused with; and what was read."""

    door: str
    worker: str
    read: Source | None = None


def fate_of(data: bytes) -> Fate:
    """Raises whatever is none of our codes, and where the rooms do not agree or a picture is none."""
    with walls():
        door = told(lambda: header.judge(io.BytesIO(data), len(data), LIMITS).format)
        read: list[Source] = []
        worker = told(lambda: kept(decode(data, LIMITS), read))
    assert door in REFUSALS | set(header.FORMATS)
    assert worker in REFUSALS | set(header.FORMATS)
    assert door == worker or (door in header.FORMATS and worker in REFUSALS)  # who reads the pixels knows more
    if read:
        check(read[0])
    return Fate(door, worker, read[0] if read else None)


def kept(source: Source, read: list[Source]) -> str:
    read.append(source)
    return source.header.format


def check(source: Source) -> None:
    """A picture that all that comes after can work on."""
    stored = source.header.width, source.header.height
    assert source.image.size in (stored, stored[::-1])
    assert source.image.mode in ("RGB", "RGBA")
    assert source.image.info == {}
    source.image.getpixel((source.image.width - 1, source.image.height - 1))


def told(what: Callable[[], str]) -> str:
    try:
        return what()
    except PhotoError as error:
        return error.code


@contextmanager
def walls() -> Iterator[None]:
    """Whoever takes more memory than ROOM inside gets none, and a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def quick(seconds: float) -> Iterator[None]:
    """What runs inside takes the processor for no longer, all threads together: others on the machine do not count."""
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds
