"""Real ZIPs, good and hostile, made here and read from the disk."""

import io
import random
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from processing.intake import archive
from tests.conftest import picture
from tests.intake.packing import PHOTO, by_hand, packed, symlink


def listing(data: bytes) -> archive.Listing:
    return archive.listing(io.BytesIO(data))


def skipped(data: bytes) -> list[tuple[str, str]]:
    return [(one.name, one.detail.split(".")[0]) for one in listing(data).skipped]


def read(data: bytes, index: int = 0, limit: int = 10_000_000) -> bytes:
    with archive.opened(io.BytesIO(data)) as zipped:
        return b"".join(archive.read_entry(zipped, index, limit))


# ---- as people pack them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_photos_of_a_zip_are_listed_and_read(method: int) -> None:
    data = packed({"spring/": b"", "spring/a.jpg": PHOTO, "spring/b.png": picture(format="PNG")}, method)
    found = listing(data)
    assert found.entries[0] == archive.Entry(1, "spring/a.jpg", len(PHOTO))
    assert (len(found.entries), found.skipped) == (2, [])
    assert read(data, found.entries[0].index) == PHOTO


def test_a_zip_with_zip64_records_is_read() -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped,
        zipped.open(zipfile.ZipInfo("a.jpg"), "w", force_zip64=True) as file,
    ):
        file.write(PHOTO)
    assert read(out.getvalue()) == PHOTO


def test_a_zip_behind_other_data_is_read() -> None:
    data = b"#!/bin/sh\nexit\n" * 100 + packed({"a.jpg": PHOTO})
    assert archive.is_archive(io.BytesIO(data))
    assert read(data) == PHOTO


def test_a_zip_with_a_comment_is_read() -> None:
    out = io.BytesIO(packed({"a.jpg": PHOTO}))
    with zipfile.ZipFile(out, "a") as zipped:
        zipped.comment = b"from the camera" * 100
    assert len(listing(out.getvalue()).entries) == 1


def test_content_decides_what_is_a_zip() -> None:
    assert archive.is_archive(io.BytesIO(packed({})))
    assert archive.is_archive(io.BytesIO(packed({"a.jpg": PHOTO})[:-30]))  # cut off, and to be told so
    assert not archive.is_archive(io.BytesIO(PHOTO))
    assert not archive.is_archive(io.BytesIO(PHOTO + packed({"a.jpg": PHOTO})))  # a photo first of all
    assert not archive.is_archive(io.BytesIO(b"a text named photos.zip"))
    assert not archive.is_archive(io.BytesIO())


@pytest.mark.parametrize(
    ("raw", "flags", "shown"),
    [
        ("écran.jpg".encode("cp437"), 0, "écran.jpg"),
        ("写真.jpg".encode(), 0, "写真.jpg"),  # macOS: UTF-8 that does not say so
        ("写真.jpg".encode(), 0x800, "写真.jpg"),
        (b"\x82\xe0\xff.jpg", 0, "éα\u00a0.jpg"),
    ],
)
def test_names_are_read_in_the_packers_encoding(raw: bytes, flags: int, shown: str) -> None:
    found = listing(by_hand(raw, flags=flags))
    assert [one.name for one in found.entries] == [shown]


# ---- what is skipped, and why --------------------------------------------------------------------------------------


def test_what_is_no_photo_is_skipped_by_its_content() -> None:
    data = packed(
        {
            "notes.jpg": b"just text, whatever its name",
            "logo.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
            "paper.png": b"%PDF-1.7 and so on",
            "photo.txt": PHOTO,
        }
    )
    assert skipped(data) == [(name, "Not a photo") for name in ("notes.jpg", "logo.svg", "paper.png")]
    assert [one.name for one in listing(data).entries] == ["photo.txt"]


def test_an_archive_inside_the_zip_is_skipped() -> None:
    inner = packed({"a.jpg": PHOTO})
    assert skipped(packed({"inner.zip": inner, "named.jpg": inner, "b.rar": b"Rar!\x1a\x07\0more"})) == [
        (name, "An archive inside the ZIP") for name in ("inner.zip", "named.jpg", "b.rar")
    ]


def test_the_notes_of_computers_are_skipped() -> None:
    names = ("__MACOSX/._a.jpg", "spring/.DS_Store", "Thumbs.db", "x\\desktop.ini")
    found = skipped(packed(dict.fromkeys(names, PHOTO)))
    assert [name for name, _ in found] == list(names)
    assert {reason for _, reason in found} == {"Not a photo but a note of the computer that packed the ZIP"}


def test_links_are_skipped() -> None:
    assert skipped(symlink("a.jpg", "/etc/passwd")) == [("a.jpg", "A link, not a file")]


def test_encrypted_entries_are_skipped() -> None:
    assert skipped(by_hand(flags=1)) == [("photo.jpg", "Locked with a password")]


def test_empty_entries_are_skipped() -> None:
    assert skipped(packed({"a.jpg": b""})) == [("a.jpg", "An empty file")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_readers_do_not_bound_their_memory_are_skipped(method: int) -> None:
    assert skipped(packed({"a.jpg": PHOTO}, method)) == [("a.jpg", "Packed in an unusual way")]


def test_too_large_entries_are_skipped(settings: Settings) -> None:
    settings.MAX_FILE_BYTES = 20_000
    found = listing(packed({"large.jpg": PHOTO + bytes(20_000), "a.jpg": PHOTO}))
    assert [(one.name, one.code) for one in found.skipped] == [("large.jpg", "file_too_large")]
    assert [one.name for one in found.entries] == ["a.jpg"]


def test_a_damaged_entry_is_skipped_alone() -> None:
    data = bytearray(packed({"a.jpg": PHOTO, "b.jpg": PHOTO}, zipfile.ZIP_STORED))
    data[0:4] = b"XXXX"
    found = listing(bytes(data))
    assert [(one.name, one.code) for one in found.skipped] == [("a.jpg", "failed_to_read_image")]
    assert [one.name for one in found.entries] == ["b.jpg"]


@pytest.mark.parametrize("name", ["../../etc/cron.d/a.jpg", "/etc/passwd.jpg", "..\\..\\a.jpg", "C:\\a.jpg"])
def test_a_name_that_climbs_is_skipped_with_its_reason(name: str) -> None:
    found = listing(by_hand(name.encode()))
    assert found.entries == []
    assert [(one.name, one.code) for one in found.skipped] == [(name, "archive_entry_skipped")]
    assert "points outside the ZIP" in found.skipped[0].detail


# ---- what it costs ------------------------------------------------------------------------------------------------


def test_memory_stays_flat(tmp_path: Path, settings: Settings) -> None:
    settings.MAX_FILE_BYTES = 50_000_000
    place = tmp_path / "large.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as zipped:
        for number in range(3):
            zipped.writestr(f"{number}.jpg", PHOTO + random.randbytes(1_000_000) * 30)
    tracemalloc.start()
    with place.open("rb") as file:
        found = archive.listing(file)
        with archive.opened(file) as again:
            size = sum(len(piece) for one in found.entries for piece in archive.read_entry(again, one.index, 10**9))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 3 * (len(PHOTO) + 30_000_000)
    assert peak < 2_000_000
