"""ZIPs that lie in ways that no packer would: a listing and entries that can be read, or a reason."""

import io
import struct
import zipfile
import zlib
from contextlib import suppress

import pytest

from processing.errors import PhotoError
from processing.intake import archive, look
from processing.intake.archive import Listing
from tests.hostile.budget import patient, rounds
from tests.intake.packing import PHOTO, by_hand, end, entry, local, packed, sent

UNREADABLE, BOMB, SKIPPED, DAMAGED = (
    "archive_unreadable",
    "archive_bomb",
    "archive_entry_skipped",
    "failed_to_read_image",
)
MOST = 200_000  # bytes that any entry here may unpack to


def pair(first: bytes, second: bytes) -> bytes:
    """A ZIP whose directory calls its entry otherwise than the entry calls itself."""
    body = local(first, PHOTO, len(PHOTO), method=0, crc=zlib.crc32(PHOTO))
    table = entry(second, 0, PHOTO, len(PHOTO), method=0, crc=zlib.crc32(PHOTO))
    return body + table + end(1, len(table), len(body))


def spread(before: bytes = b"") -> bytes:
    """The end of a large ZIP that lies on several disks, behind whatever comes before."""
    return before + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 5) + end(1, 46, 0)


def large(size: int, start: int) -> bytes:
    """An end that says in 64 bits how large the directory is, and where it begins."""
    table = entry(b"a.jpg", 0, PHOTO, len(PHOTO))
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start)
    where = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(table), 1)
    return table + record + where + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def moved(start: int) -> bytes:
    """A ZIP whose directory says that its entry begins there."""
    body = local(b"a.jpg", PHOTO, len(PHOTO), method=0, crc=zlib.crc32(PHOTO))
    table = entry(b"a.jpg", start, PHOTO, len(PHOTO), method=0, crc=zlib.crc32(PHOTO))
    return body + table + end(1, len(table), len(body))


def wide(field: bytes) -> bytes:
    """A ZIP whose entry has such an extra field in the directory."""
    whole = packed({"a.jpg": PHOTO}, zipfile.ZIP_STORED)
    at = whole.index(b"PK\1\2")
    table = whole[at : at + 30] + struct.pack("<H", len(field)) + whole[at + 32 : at + 51] + field
    return whole[:at] + table + end(1, len(table), at)


def doubled() -> bytes:
    """Two entries of one name."""
    crc = zlib.crc32(PHOTO)
    body = local(b"a.jpg", PHOTO, len(PHOTO), method=0, crc=crc)
    table = b"".join(entry(b"a.jpg", at, PHOTO, len(PHOTO), method=0, crc=crc) for at in (0, len(body)))
    return body * 2 + table + end(2, len(table), 2 * len(body))


def streamed() -> bytes:
    """As programs write that do not know a size before: it stands behind the entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(Blind(out), "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.jpg", PHOTO)
    return out.getvalue()


class Blind(io.RawIOBase):
    """A file that cannot be gone back in."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._out.write(data)


# What is sent, and how it ends: the code for all of it, or for each entry, "" for one that comes in.
TRICKS: dict[str, tuple[bytes, str | list[str]]] = {
    "one that lies on several disks": (spread(), UNREADABLE),
    "a directory of 2^63 bytes": (large(2**63, 0), BOMB),
    "a directory that begins before the file": (large(46 + 5, 2**64 - 1), BOMB),
    "an entry that begins behind the file": (moved(2**31), BOMB),
    "an entry that begins inside itself": (moved(3), [DAMAGED]),
    "a size in 64 bits that is none": (wide(struct.pack("<HHQ", 1, 8, 2**63)), [""]),
    "an extra field that is cut off": (wide(struct.pack("<HHB", 1, 8, 0)), UNREADABLE),
    "another name in the entry than in the directory": (pair(b"a.jpg", b"b.jpg"), [DAMAGED]),
    "a path in the entry, a name in the directory": (pair(b"../../a.jpg", b"a.jpg"), [DAMAGED]),
    "a name of NULs": (pair(b"\0\0\0", b"\0\0\0"), [SKIPPED]),
    "a name with a NUL in it": (pair(b"a.exe\0.jpg", b"a.exe\0.jpg"), [""]),
    "no name at all": (pair(b"", b""), [SKIPPED]),
    "a name of 60,000 letters": (pair(b"a" * 60_000, b"a" * 60_000), [""]),
    "a name that is no UTF-8, and says it is": (by_hand(b"\xff\xfe.jpg", flags=0x800), UNREADABLE),
    "twice the same name": (doubled(), ["", ""]),
    "a ZIP that says it is a photo": (packed({"a.jpg": packed({"b.jpg": PHOTO})}), [SKIPPED]),
    "ZIPs in ZIPs in ZIPs": (packed({"1.zip": packed({"2.zip": packed({"3.jpg": PHOTO})})}), [SKIPPED]),
    "an end that hides another one": (packed({"a.jpg": PHOTO}) + end(0, 0, 0), UNREADABLE),
    "a size that is only known afterwards": (streamed(), [""]),
    "a way of packing that nobody knows": (packed({"a.jpg": PHOTO}).replace(b"\x08\0", b"\x63\0"), [SKIPPED]),
}


def ends(data: bytes) -> str | list[str]:
    """How it ends, at the door and while its entries are read."""
    try:
        found = archive.listing(io.BytesIO(data))
    except PhotoError as error:
        return error.code
    read(data, found)
    return [*("" for _ in found.entries), *(one.code for one in found.skipped)]


def read(data: bytes, found: Listing) -> None:
    with archive.opened(io.BytesIO(data)) as zipped:
        for one in found.entries:
            with suppress(PhotoError):
                size = sum(map(len, archive.read_entry(zipped, one.index, MOST)))
                assert size <= one.bytes


@pytest.mark.parametrize("name", TRICKS)
def test_a_zip_that_lies_ends_as_it_should(name: str) -> None:
    data, wanted = TRICKS[name]
    assert ends(data) == wanted


@pytest.mark.parametrize("name", TRICKS)
def test_the_door_lets_it_pass_or_says_why_whatever_it_is_called(name: str) -> None:
    for before in (b"", b"a text before it\n"):
        found, refused = look.at([sent("a.jpg", before + TRICKS[name][0])])
        assert len(found) + len(refused) >= 1


@patient
def test_a_zip_with_anything_changed_is_listed_or_refused() -> None:
    for dice in rounds(400):
        bad = bytearray(dice.choice([data for data, _ in TRICKS.values() if len(data) < 10_000]))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(max(0, len(bad) - 200), len(bad)) if dice.random() < 0.7 else dice.randrange(len(bad))
            bad[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        try:
            look.at([sent("a.zip", bytes(bad))])
            ends(bytes(bad))
        except Exception as error:
            raise AssertionError(bytes(bad)) from error
