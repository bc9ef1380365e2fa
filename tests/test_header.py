"""A picture is judged by its first bytes and its header, whatever it is called."""

import io
import random
from contextlib import suppress

import pytest
from PIL import Image

from processing import header
from processing.errors import PhotoError
from processing.header import Header, Limits

from .conftest import picture

LIMITS = Limits(max_bytes=10_000_000, min_side=50, max_side=4096)
SVG = b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg"></svg>'


def judge(data: bytes, limits: Limits = LIMITS) -> Header:
    return header.judge(io.BytesIO(data), len(data), limits)


def refusal(data: bytes, limits: Limits = LIMITS) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        judge(data, limits)
    return caught.value


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "bmp", "gif", "tiff", "avif"])
def test_each_format_is_known_by_its_content(format: str) -> None:
    data = picture(format=format.upper())
    assert judge(data) == Header(format, 80, 60)
    assert header.sniff(data) == format
    assert header.is_photo(data)


def test_a_phones_jpeg_with_two_pictures_inside_is_a_jpeg() -> None:
    both = io.BytesIO()
    first = Image.new("RGB", (80, 60))
    first.save(both, "MPO", save_all=True, append_images=[first])
    assert judge(both.getvalue()) == Header("jpeg", 80, 60)


def test_the_file_is_left_at_its_beginning() -> None:
    file = io.BytesIO(picture())
    header.judge(file, len(file.getvalue()), LIMITS)
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"I am a letter, not a photo.\n", "Unsupported image format: text."),
        ("Grüße\n".encode() * 400, "Unsupported image format: text."),
        (SVG, "Unsupported image format: SVG."),
        (b"\xef\xbb\xbf<svg width='9'>", "Unsupported image format: SVG."),
        (b"%PDF-1.7\n", "Unsupported image format: PDF."),
        (b"8BPS\0\1", "Unsupported image format: PSD."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "Unsupported image format: EPS."),
        (b"PK\3\4" + bytes(40), "Unsupported image format: ZIP."),
        (b"<!DOCTYPE html><svg>", "Unsupported image format: HTML."),
        (b"\0\0\0\x20ftypisom" + bytes(40), "Unsupported image format: video."),
        (bytes(range(256)), "Unsupported image format: unknown."),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, sentence: str) -> None:
    error = refusal(data)
    assert (error.code, error.message) == ("invalid_file_type", sentence)
    assert not header.is_photo(data)


def test_an_empty_file_cannot_be_read() -> None:
    assert refusal(b"").code == "failed_to_read_image"


def test_a_photo_that_ends_in_its_header_cannot_be_read() -> None:
    assert refusal(picture()[:24]).code == "failed_to_read_image"


def test_a_file_of_too_many_bytes_is_refused_with_both_sizes() -> None:
    with pytest.raises(PhotoError, match=r"^file_too_large: File size \(12\.5MB\) exceeds maximum \(10MB\)\.$"):
        header.judge(io.BytesIO(picture()), 12_500_000, LIMITS)


def test_a_file_one_byte_too_large_does_not_read_as_equal_to_the_limit() -> None:
    with pytest.raises(PhotoError, match=r"\(10\.1MB\) exceeds maximum \(10MB\)"):
        header.judge(io.BytesIO(picture()), 10_000_001, LIMITS)


def test_sides_are_judged() -> None:
    error = refusal(picture(5000, 60))
    assert (error.code, error.message) == ("resolution_too_high", "Image dimensions too large (max 4096x4096).")
    assert error.remedy == "This one is 5000x60: make it smaller."
    assert refusal(picture(80, 49)).code == "image_too_small"
    assert judge(picture(50, 4096)).height == 4096


def test_pixels_are_judged_beside_the_sides() -> None:
    error = refusal(picture(300, 300), Limits(10_000_000, 50, 4096, max_pixels=80_000))
    assert error.code == "resolution_too_high"


def test_a_bomb_is_refused_by_its_header() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    error = refusal(out.getvalue(), Limits(10_000_000, 50, 100_000))
    assert (error.code, error.remedy) == ("resolution_too_high", "This one is 400 megapixels: make it smaller.")


def test_memory_that_ran_out_is_not_blamed_on_the_file() -> None:
    with pytest.raises(MemoryError), header.reading():
        raise MemoryError
    with pytest.raises(MemoryError), header.reading():
        raise OSError("out of memory error when reading image file")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_whatever_is_broken_ends_in_one_of_our_codes(format: str) -> None:
    whole, dice = picture(format=format), random.Random(format)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(8):
            broken[dice.randrange(min(200, len(whole)))] = dice.randrange(256)
        with suppress(PhotoError):
            judge(bytes(broken[: dice.randrange(1, len(whole))]))
