"""Files as people send them, and ZIPs as nobody should pack them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings as house
from django.core.files.uploadedfile import SimpleUploadedFile

from processing import storage
from tests.conftest import picture

PHOTO = picture()


def sent(name: str, data: bytes = PHOTO) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def files_on_disk() -> set[Path]:
    return {place for place in house.FILES_DIR.rglob("*") if place.is_file() and place.name != storage.MARK}


def packed(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def many(count: int, data: bytes = PHOTO) -> bytes:
    return packed({f"photo-{number:05}.jpg": data for number in range(count)}, zipfile.ZIP_STORED)


def symlink(name: str, target: str) -> bytes:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, target)
    return out.getvalue()


def entry(name: bytes, at: int, data: bytes, size: int, *, method: int = 8, flags: int = 0, crc: int = 0) -> bytes:
    """One line of a central directory, saying whatever it is told to say."""
    return struct.pack(
        "<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, flags, method, 0, 33, crc, len(data), size, len(name), 0, 0, 0,
        0, 0o100644 << 16, at,
    ) + name  # fmt: skip


def local(name: bytes, data: bytes, size: int, *, method: int = 8, flags: int = 0, crc: int = 0) -> bytes:
    head = struct.pack("<4s2B4HL2L2H", b"PK\x03\x04", 20, 0, flags, method, 0, 33, crc, len(data), size, len(name), 0)
    return head + name + data


def end(count: int, size: int, at: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, at, 0)


def by_hand(
    name: bytes = b"photo.jpg", data: bytes = PHOTO, *, says: int | None = None, flags: int = 0, copies: int = 1,
    crc: int | None = None,
) -> bytes:  # fmt: skip
    """A ZIP of one deflated entry that `says` its size, listed `copies` times over the same bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = deflate.compress(data) + deflate.flush()
    size = len(data) if says is None else says
    crc = zlib.crc32(data) if crc is None else crc
    body = local(name, small, size, flags=flags, crc=crc)
    table = entry(name, 0, small, size, flags=flags, crc=crc) * copies
    return body + table + end(copies & 0xFFFF, len(table), len(body))
