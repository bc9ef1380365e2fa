"""Real ZIPs, good and hostile, made here and read from the disk."""

import io
import random
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from processing.errors import PhotoError
from processing.intake import archive
from tests.conftest import picture
from tests.intake.packing import PHOTO, by_hand, many, packed, symlink


def listing(data: bytes) -> archive.Listing:
    return archive.listing(io.BytesIO(data))


def skipped(data: bytes) -> list[tuple[str, str]]:
    return [(one.name, one.detail.split(".")[0]) for one in listing(data).skipped]


def refusal(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        listing(data)
    return caught.value


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
def test_a_name_that_climbs_is_only_a_name(name: str) -> None:
    assert [one.name for one in listing(by_hand(name.encode())).entries] == [name]


# ---- what is refused as a whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [packed({}), packed({"folder/": b""})])
def test_a_zip_with_nothing_in_it_is_refused(data: bytes) -> None:
    assert refusal(data).message == "The ZIP cannot be read: there is nothing in it."


@pytest.mark.parametrize("cut", [1, 21, 22, 40, 100, 500])
def test_a_truncated_zip_is_refused(cut: int) -> None:
    assert refusal(packed({"a.jpg": PHOTO, "b.jpg": PHOTO})[:-cut]).code == "archive_unreadable"


def test_every_byte_that_is_flipped_in_the_directory_ends_in_a_listing_or_a_reason() -> None:
    good = packed({"a.jpg": PHOTO, "b.jpg": PHOTO})
    for at in [*range(40), *range(good.index(b"PK\x01\x02"), len(good))]:
        for value in (0x00, 0x7F, 0xFF):
            bad = bytearray(good)
            bad[at] = value
            try:
                listing(bytes(bad))
            except PhotoError as error:
                assert error.code in ("archive_unreadable", "archive_bomb")  # noqa: PT017


def test_more_entries_than_allowed_are_refused(settings: Settings) -> None:
    settings.MAX_ARCHIVE_ENTRIES = 10
    assert len(listing(many(10)).entries) == 10
    assert refusal(many(11)).code == "archive_bomb"


def test_ten_thousand_and_one_entries_are_refused() -> None:
    error = refusal(by_hand(copies=10_001))
    assert (error.code, "more than 10,000 entries" in error.message) == ("archive_bomb", True)


def test_a_million_entries_are_refused_before_zipfile_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "more than 10,000 entries" in refusal(by_hand(copies=1_000_000)).message


def test_the_count_in_the_end_record_is_not_believed(settings: Settings) -> None:
    settings.MAX_ARCHIVE_ENTRIES = 10
    data = bytearray(by_hand(copies=100))
    data[-14:-10] = b"\1\0\1\0"
    assert refusal(bytes(data)).code == "archive_bomb"


def test_entries_that_share_their_bytes_are_refused() -> None:
    error = refusal(by_hand(data=PHOTO + bytes(100_000), copies=500))
    assert (error.code, error.message.split(": ")[1]) == ("archive_bomb", "its entries overlap.")


def test_a_zip_that_grows_without_measure_is_refused() -> None:
    error = refusal(packed({"a.jpg": PHOTO, "zeros.jpg": bytes(30_000_000)}))
    assert (error.code, "grows" in error.message) == ("archive_bomb", True)


def test_a_zip_that_says_it_is_larger_than_allowed_is_refused(settings: Settings) -> None:
    settings.MAX_ARCHIVE_BYTES = 1_000_000
    assert refusal(packed({"a.jpg": PHOTO + bytes(1_000_000)})).code == "archive_bomb"


# ---- lies that show while reading ----------------------------------------------------------------------------------


def test_an_entry_that_is_larger_than_it_says_is_not_read_past_that() -> None:
    data = by_hand(data=PHOTO + bytes(5_000_000), says=2000)
    with pytest.raises(PhotoError) as caught:
        read(data)
    assert caught.value.code == "failed_to_read_image"
    forged = by_hand(data=PHOTO + bytes(5_000_000), says=2000, crc=zlib.crc32((PHOTO + bytes(2000))[:2000]))
    assert len(read(forged)) == 2000


def test_reading_stops_at_the_limit() -> None:
    with pytest.raises(PhotoError) as caught:
        read(packed({"a.jpg": PHOTO + bytes(300_000)}), limit=100_000)
    assert caught.value.code == "archive_bomb"


def test_reading_stops_where_an_entry_grows_without_measure(settings: Settings) -> None:
    data = packed({"zeros.jpg": bytes(30_000_000)})
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        seen = 0
        with pytest.raises(PhotoError) as caught:
            for piece in archive.read_entry(zipped, 0, 100_000_000):
                seen += len(piece)
    assert caught.value.code == "archive_bomb"
    assert 9_000_000 < seen <= 10_000_000


def test_a_damaged_entry_says_so() -> None:
    data = bytearray(packed({"a.jpg": PHOTO}, zipfile.ZIP_STORED))
    data[200] ^= 0xFF
    with pytest.raises(PhotoError) as caught:
        read(bytes(data))
    assert caught.value.message == "The file cannot be read: it is damaged inside the ZIP."


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
