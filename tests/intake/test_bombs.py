"""ZIPs that are broken or that lie: refused, or read no further than is safe."""

import io
import zipfile
import zlib

import pytest
from pytest_django.fixtures import Settings

from processing.errors import PhotoError
from processing.intake import archive
from tests.intake.packing import PHOTO, by_hand, many, packed


def listing(data: bytes) -> archive.Listing:
    return archive.listing(io.BytesIO(data))


def refusal(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        listing(data)
    return caught.value


def read(data: bytes, index: int = 0, limit: int = 10_000_000) -> bytes:
    with archive.opened(io.BytesIO(data)) as zipped:
        return b"".join(archive.read_entry(zipped, index, limit))


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
