"""Reading ZIPs that strangers packed: every number in one may be a lie, and no name in one is ever a path."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO

from django.conf import settings

from processing.errors import PhotoError
from processing.header import FIRST_BYTES, is_photo, sniff
from processing.intake import limits
from processing.intake.answer import Refused
from processing.intake.names import plain

STEP = 64 * 1024
MAX_RATIO, HARMLESS = 200, 10_000_000  # what grows so many times, past so many bytes, is a bomb
LOCAL_HEADER, DIRECTORY_ENTRY, ZIP64_END = 30, 46, 76  # bytes, at least
ENTRY_ROOM = 1000  # bytes that an entry of the directory may take on average; each could take 196,000
ENCRYPTED = 0x1 | 0x40
ARCHIVES = ("zip", "rar", "7z", "gzip")
HELPERS = (".ds_store", "thumbs.db", "desktop.ini")
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)


@dataclass(frozen=True)
class Entry:
    """A photo inside a ZIP: its number there, its name as packed, its size when unpacked."""

    index: int
    name: str
    bytes: int


@dataclass(frozen=True)
class Listing:
    entries: list[Entry]
    skipped: list[Refused]


def is_archive(file: BinaryIO) -> bool:
    """Is it a ZIP by its content? One that has other data before it counts, unless that data is a photo."""
    file.seek(0)
    start = file.read(FIRST_BYTES)
    return sniff(start) == "zip" or (not is_photo(start) and _ends_as_one(file))


def listing(file: BinaryIO) -> Listing:
    """The photos in a ZIP, and what is skipped and why; folders are neither.

    Raises PhotoError `archive_unreadable` or `archive_bomb`.
    """
    found = Listing([], [])
    with opened(file) as packed:
        for index, info in enumerate(packed.infolist()):
            name = _name(info)
            if name.endswith(("/", "\\")):
                continue
            try:
                _check(packed, info, name)
                found.entries.append(Entry(index, name, info.file_size))
            except PhotoError as error:
                found.skipped.append(Refused.because(name, error))
    if not found.entries and not found.skipped:
        raise PhotoError("archive_unreadable", reason="there is nothing in it")
    return found


def opened(file: BinaryIO) -> zipfile.ZipFile:
    """The ZIP, when nothing in it is out of measure. Raises PhotoError `archive_unreadable` or `archive_bomb`."""
    try:
        _check_directory(file)
        packed = zipfile.ZipFile(file)
    except (*DAMAGE, OSError) as error:
        raise PhotoError("archive_unreadable", reason="it is damaged or incomplete") from error
    _check_sizes(packed)
    return packed


def read_entry(packed: zipfile.ZipFile, index: int, limit: int) -> Iterator[bytes]:
    """The entry in pieces of 64 kB. Raises PhotoError `archive_bomb` past `limit` bytes, `failed_to_read_image`."""
    info = packed.infolist()[index]
    unpacked = 0
    with _entry(packed, info) as file:
        while piece := file.read(STEP):
            unpacked += len(piece)
            if unpacked > limit or _explodes(unpacked, info.compress_size):
                raise PhotoError("archive_bomb", reason="this entry grows without measure")
            yield piece


# ---- the ZIP as a whole --------------------------------------------------------------------------------------------


def _ends_as_one(file: BinaryIO) -> bool:
    try:
        return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # the end of one that lies on several disks
        return True


def _check_directory(file: BinaryIO) -> None:
    """Count the entries before `zipfile` makes an object of each."""
    # Its own private reading of the end record: what is judged here is what it will act on.
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if not end:
        raise zipfile.BadZipFile
    size, start = end[5], end[9] - end[5] - (ZIP64_END if end[0] == b"PK\x06\x06" else 0)
    most = settings.MAX_ARCHIVE_ENTRIES
    if size <= ENTRY_ROOM * most:
        file.seek(start)
        if _count(file.read(size)) <= most:
            return
    raise PhotoError("archive_bomb", reason=f"it has more than {most:,} entries")


def _count(directory: bytes) -> int:
    at = count = 0
    while at + DIRECTORY_ENTRY <= len(directory):
        at += DIRECTORY_ENTRY + sum(struct.unpack_from("<3H", directory, at + 28))  # name, extra, comment
        count += 1
    return count


def _check_sizes(packed: zipfile.ZipFile) -> None:
    infos = sorted(packed.infolist(), key=lambda info: info.header_offset)
    starts = [info.header_offset for info in infos] + [packed.start_dir]
    for info, end in zip(infos, starts[1:], strict=True):
        if info.header_offset < 0 or info.header_offset + LOCAL_HEADER + info.compress_size > end:
            raise PhotoError("archive_bomb", reason="its entries overlap")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > settings.MAX_ARCHIVE_BYTES:
        raise PhotoError("archive_bomb", reason=f"more than {settings.MAX_ARCHIVE_BYTES / settings.MB:,.0f}MB")
    if _explodes(unpacked, sum(info.compress_size for info in infos)):
        raise PhotoError("archive_bomb", reason=f"it grows more than {MAX_RATIO} times")


def _explodes(unpacked: int, packed: int) -> bool:
    return unpacked > HARMLESS and unpacked > MAX_RATIO * packed


# ---- one entry -----------------------------------------------------------------------------------------------------


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name. macOS packs UTF-8 without saying so, which then reads as cp437."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return plain(name)


def _is_helper(info: zipfile.ZipInfo) -> bool:
    *folders, name = info.filename.replace("\\", "/").lower().split("/")
    return "__macosx" in folders or name in HELPERS


def _is_special(info: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG)


# In this order; each with what the person sees.
def _climbs(info: zipfile.ZipInfo) -> bool:
    """Does its name point outside the folder it would be unpacked into? (Names are never paths here; it is told.)"""
    parts = info.filename.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or parts[0].endswith(":")


SKIPPED: tuple[tuple[Callable[[zipfile.ZipInfo], object], str, str], ...] = (
    (_is_helper, "Not a photo but a note of the computer that packed the ZIP", "Nothing is missing."),
    (_climbs, "Its name points outside the ZIP", "Pack the photo without its folders."),
    (_is_special, "A link, not a file", "Pack the photo itself."),
    (lambda info: info.flag_bits & ENCRYPTED, "Locked with a password", "Pack it without one."),
    (lambda info: info.file_size == 0, "An empty file", "Export the photo again."),
    (
        lambda info: info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        "Packed in an unusual way",  # whose readers here do not bound their memory
        "Pack it as an ordinary ZIP.",
    ),
)


def _check(packed: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> None:
    """Raises PhotoError when the entry is to be skipped."""
    for applies, reason, remedy in SKIPPED:
        if applies(info):
            raise PhotoError("archive_entry_skipped", reason=reason, remedy=remedy)
    limits.check_size(info.file_size)
    if _explodes(info.file_size, info.compress_size):
        raise PhotoError("archive_bomb", reason=f"{name} grows more than {MAX_RATIO} times")
    with _entry(packed, info) as file:
        start = file.read(FIRST_BYTES)
    if sniff(start) in ARCHIVES:
        raise PhotoError("archive_entry_skipped", reason="An archive inside the ZIP", remedy="Send it by itself.")
    if not is_photo(start):
        raise PhotoError("archive_entry_skipped", reason="Not a photo", remedy="Export it as PNG or JPEG.")


@contextmanager
def _entry(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    try:
        with packed.open(info) as file:
            yield file
    except DAMAGE as error:
        raise PhotoError("failed_to_read_image", reason="it is damaged inside the ZIP") from error
