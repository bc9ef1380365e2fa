"""Whatever comes in ends in a right result or in a code of its own: never in a crash or an empty picture."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline.run import run
from processing.recipe import Recipe

from .conftest import LIMITS, corners, file, opened
from .profiles import P3, cmyk, rgb

PLAIN = Recipe(remove_bg=False, quality=95)
RED, LIME = (255, 0, 0), (0, 255, 0)
ORIENTATION, WIDTH = 0x0112, 0x0100


def result(source: bytes) -> Image.Image:
    return opened(run(source, PLAIN, limits=LIMITS).files[0].data)


def refused(source: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        run(source, PLAIN, limits=LIMITS)
    return caught.value.code


def near(image: Image.Image, place: tuple[int, int], colour: tuple[int, ...], most: int = 30) -> bool:
    return int(np.abs(np.subtract(image.getpixel(place), colour)).max()) <= most


def shows_corners(image: Image.Image) -> bool:
    places = {(30, 20): RED, (90, 20): LIME, (30, 60): (0, 0, 255), (90, 60): (0, 0, 0)}
    return image.size == (120, 80) and all(
        near(image.convert("RGB"), place, colour) for place, colour in places.items()
    )


def animated(format: str) -> bytes:
    frames = [Image.new("RGB", (60, 60), "blue"), Image.new("RGB", (60, 60), "lime")]
    first = Image.new("RGB", (60, 60), "red")
    options = {"compression": "tiff_lzw"} if format == "TIFF" else {}
    return file(first, format, save_all=True, append_images=frames, **options)


def promising(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its few bytes hold."""
    png = file(Image.new("RGB", (60, 60)))
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


# ---- sides ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 50), (50, 1), (1, 1), (49, 4096)])
def test_a_strip_is_too_small(size: tuple[int, int]) -> None:
    assert refused(file(Image.new("RGB", size))) == "image_too_small"


@pytest.mark.parametrize("size", [(4096, 50), (50, 4096), (50, 50)])
@pytest.mark.parametrize("format", ["auto", "png", "webp", "avif"])
def test_the_longest_and_the_smallest_photos_work(size: tuple[int, int], format: str) -> None:
    source = file(Image.new("RGB", size, "teal"))
    for made in run(source, Recipe(remove_bg=False, format=format), limits=LIMITS).files:
        image = opened(made.data)
        assert image.size == (made.width, made.height)
        assert near(image, (0, 0), (0, 128, 128))


@pytest.mark.parametrize("size", [(4097, 50), (31_623, 31_623), (2_000_000_000, 1), (0x7FFFFFFF, 0x7FFFFFFF)])
def test_a_header_that_promises_a_giant_is_refused_before_any_pixel(size: tuple[int, int]) -> None:
    assert refused(promising(*size)) == "resolution_too_high"


# ---- frames and pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_or_page_counts(format: str) -> None:
    image = result(animated(format))
    assert image.size == (60, 60)
    assert near(image, (30, 30), RED)


def test_a_jpeg_with_a_second_picture_inside_gives_the_first() -> None:
    source = file(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 60))], quality=95)
    outcome = run(source, PLAIN, limits=LIMITS)
    assert outcome.facts["source_format"] == "jpeg"
    assert shows_corners(opened(outcome.files[0].data))


# ---- kinds of pixels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_kind_of_pixel_gives_a_picture(mode: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 100), (60, 1))
    stored = {"I;16": (ramp * 257, np.uint16), "I": (ramp * 257, np.int32), "F": (ramp / 255, np.float32)}
    values, kind = stored.get(mode, (ramp, np.uint8))
    grey = Image.fromarray(values.astype(kind))
    image = result(file(grey if mode in stored else grey.convert("RGB").convert(mode), "TIFF"))
    brightness = np.asarray(image.convert("L"), float)
    assert brightness[:, :20].mean() < 60
    assert brightness[:, 80:].mean() > 190


def test_print_colours_without_a_profile_look_sane() -> None:
    assert shows_corners(result(file(corners().convert("CMYK"), "JPEG", quality=95)))
    assert shows_corners(result(file(corners().convert("CMYK"), "TIFF")))


def test_a_palette_with_a_see_through_colour_keeps_it() -> None:
    palette = corners().quantize(8)
    image = result(file(palette, transparency=palette.getpixel((5, 5))))
    assert (image.format, image.mode, image.getpixel((5, 5))[3]) == ("PNG", "RGBA", 0)
    assert image.getpixel((100, 5)) == (*LIME, 255)


# ---- files that are broken or lie ----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_file_cut_short_says_so(astronaut: Image.Image, format: str, part: float) -> None:
    data = file(astronaut, format)
    assert refused(data[: int(len(data) * part)]) == "failed_to_read_image"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_file_of_its_first_bytes_alone_is_refused(format: str) -> None:
    data = file(corners(), format)
    for length in (4, 12, 30, 60):
        assert refused(data[:length]) in ("failed_to_read_image", "invalid_file_type")


def test_an_empty_file_is_refused() -> None:
    assert refused(b"") == "failed_to_read_image"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("seed", range(6))
def test_bytes_gone_wrong_give_a_picture_or_a_code(astronaut: Image.Image, format: str, seed: int) -> None:
    dice = np.random.default_rng(seed)
    data = bytearray(file(astronaut.resize((100, 80)), format))
    for place in dice.integers(0, len(data), 12):
        data[place] = dice.integers(0, 256)
    with suppress(PhotoError):  # which has a code, whatever it is
        for made in run(bytes(data), PLAIN, limits=LIMITS).files:
            assert opened(made.data).size == (made.width, made.height)


@pytest.mark.parametrize("turn", [0, 9, 6_000])
def test_exif_that_lies_about_turn_and_size_is_not_believed(turn: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[WIDTH] = turn, 1
    assert shows_corners(result(file(corners(), "JPEG", exif=exif, quality=95)))


@pytest.mark.parametrize("profile", [b"nonsense", rgb("P3", P3)[:200], cmyk("For print")])
def test_a_profile_that_is_broken_or_for_other_colours_changes_nothing(profile: bytes) -> None:
    assert shows_corners(result(file(corners(), "JPEG", icc_profile=profile, quality=95)))


def test_the_content_decides_what_a_file_is() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        assert run(file(corners(), format), PLAIN, limits=LIMITS).facts["source_format"] == format.lower()
    assert refused(b"%PDF-1.7 called photo.jpg") == "invalid_file_type"
    assert refused(b"\xff\xd8\xff and then nothing of a JPEG") == "failed_to_read_image"
