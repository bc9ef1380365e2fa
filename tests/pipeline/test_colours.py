"""Whatever colours come in, they leave as sRGB in 8 bits, as littleCMS itself would turn them."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from processing.pipeline.decode import Source, decode

from . import profiles
from .conftest import LIMITS, corners, file, opened

SRGB = ImageCms.createProfile("sRGB")
DISPLAY_P3 = profiles.rgb("Display P3", profiles.P3)
ADOBE_RGB = profiles.rgb("Adobe RGB (1998)", profiles.ADOBE)
DOT_GAIN = profiles.grey("Dot Gain 20%", 1.75)
PRESS = profiles.cmyk("A press")
ORANGE = (200, 100, 50)


def read(data: bytes) -> Source:
    return decode(data, LIMITS)


def by_littlecms(image: Image.Image, profile: bytes) -> Image.Image:
    turned = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), SRGB, outputMode="RGB")
    assert turned
    return turned


def furthest(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + chunk + png[33:]


def sixteen_bits(pixels: np.ndarray, ending: str = ".png") -> bytes:
    """By OpenCV, as Pillow writes no colours of 16 bits."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]  # it wants blue first
    return cv2.imencode(ending, np.ascontiguousarray(pixels))[1].tobytes()


@pytest.mark.parametrize(
    ("mode", "profile", "format"),
    [
        *[("RGB", DISPLAY_P3, format) for format in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF")],
        ("RGB", ADOBE_RGB, "JPEG"),
        ("RGB", ADOBE_RGB, "PNG"),
        *[("L", DOT_GAIN, format) for format in ("PNG", "JPEG", "TIFF")],
        ("CMYK", PRESS, "JPEG"),
        ("CMYK", PRESS, "TIFF"),
    ],
)
def test_a_profile_is_followed_as_littlecms_follows_it(
    astronaut: Image.Image, mode: str, profile: bytes, format: str
) -> None:
    data = file(astronaut.convert(mode), format, icc_profile=profile)
    assert furthest(read(data).image, by_littlecms(opened(data), profile)) == 0
    assert furthest(read(data).image, opened(data).convert("RGB")) > 10


def test_known_colours_come_out_right() -> None:
    """By the spaces' own matrices and curves, computed apart from littleCMS."""
    p3_of_sixteen = np.full((60, 60, 3), [value * 257 for value in ORANGE], np.uint16)
    for data, colour in (
        (file(Image.new("RGB", (60, 60), ORANGE), icc_profile=DISPLAY_P3), (216, 94, 25)),
        (file(Image.new("RGB", (60, 60), ORANGE), icc_profile=ADOBE_RGB), (228, 100, 42)),
        (file(Image.new("L", (60, 60), 128), icc_profile=profiles.grey("Old Mac", 1.8)), (146, 146, 146)),
        (file(Image.new("CMYK", (60, 60), (255, 0, 0, 0)), "TIFF", icc_profile=PRESS), profiles.INKS[0]),
        (with_chunk(sixteen_bits(p3_of_sixteen), b"iCCP", b"p3\0\0" + zlib.compress(DISPLAY_P3)), (216, 94, 25)),
    ):
        assert np.abs(np.subtract(read(data).image.getpixel((30, 30)), colour)).max() <= 5, colour


@pytest.mark.parametrize(("mode", "profile"), [("RGBA", DISPLAY_P3), ("LA", DOT_GAIN), ("P", ADOBE_RGB)])
def test_transparency_stays_while_colours_turn(mode: str, profile: bytes) -> None:
    see_through = corners().convert("RGBA")
    see_through.paste((0, 0, 0, 0), (0, 0, 30, 30))
    source = see_through.quantize(8) if mode == "P" else see_through.convert(mode)
    data = file(source, icc_profile=profile)
    image = read(data).image
    assert image.mode == "RGBA"
    assert furthest(image.getchannel("A"), see_through.getchannel("A")) == 0
    plain = opened(data).convert("RGBA").convert("L" if mode == "LA" else "RGB")
    assert furthest(image.convert("RGB"), by_littlecms(plain, profile)) == 0


def test_grey_follows_a_profile_for_rgb() -> None:
    data = file(Image.new("L", (60, 60), 40), icc_profile=profiles.rgb("Gamma 1", profiles.P3, gamma=1.0))
    image = read(data).image
    assert image.mode == "RGB"
    assert (
        furthest(image, by_littlecms(Image.new("RGB", (60, 60), (40, 40, 40)), profiles.rgb("", profiles.P3, 1.0))) == 0
    )
    assert image.getpixel((5, 5))[0] > 100


def test_lab_becomes_srgb(astronaut: Image.Image) -> None:
    lab = ImageCms.profileToProfile(astronaut, SRGB, ImageCms.createProfile("LAB"), outputMode="LAB")
    assert lab
    source = read(file(lab, "TIFF"))
    assert np.abs(np.asarray(source.image, float) - np.asarray(astronaut, float)).mean() < 3
    assert source.facts == {"source_colour": "Lab"}


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_print_colours_without_a_profile_become_screen_colours(format: str) -> None:
    options = {"quality": 95} if format == "JPEG" else {}
    source = read(file(corners().convert("CMYK"), format, **options))
    assert source.image.mode == "RGB"
    assert np.abs(np.asarray(source.image, float) - np.asarray(corners(), float)).mean() < 12
    assert source.facts == {"source_colour": "CMYK"}


def test_the_facts_name_what_was_turned_to_srgb() -> None:
    flat = Image.new("RGB", (64, 64), ORANGE)
    assert read(file(flat, icc_profile=DISPLAY_P3)).facts == {"source_colour": "Display P3"}
    hostile = profiles.rgb("<b>P3\x1b[31m" + "x" * 500, profiles.P3)
    assert read(file(flat, icc_profile=hostile)).facts == {"source_colour": "<b>P3 [31m" + "x" * 50}


def test_a_profile_without_a_name_is_followed_all_the_same() -> None:
    data = file(Image.new("RGB", (64, 64), ORANGE), icc_profile=DISPLAY_P3.replace(b"desc", b"none", 1))
    assert read(data).facts == {"source_colour": "unnamed"}
    assert furthest(read(data).image, by_littlecms(opened(data), DISPLAY_P3)) == 0


def test_srgb_stays_whatever_it_is_called() -> None:
    flat = Image.new("RGB", (64, 64), ORANGE)
    srgb = ImageCms.ImageCmsProfile(SRGB).tobytes()
    for profile in (srgb, srgb.replace("sRGB".encode("utf-16-be"), "c2ci".encode("utf-16-be"))):
        source = read(file(flat, icc_profile=profile))
        assert (source.image.getpixel((30, 30)), source.facts) == (ORANGE, {})


def test_a_name_does_not_make_a_profile_srgb() -> None:
    data = file(Image.new("RGB", (64, 64), ORANGE), icc_profile=profiles.rgb("sRGB, they say", profiles.P3))
    assert read(data).image.getpixel((30, 30)) != ORANGE


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"not a profile at all"),
        ("RGB", DISPLAY_P3[:300]),
        ("RGB", DISPLAY_P3[:128] + b"\xff" * 400),
        ("RGB", PRESS),
        ("RGB", DOT_GAIN),
        ("L", PRESS),
        ("CMYK", DISPLAY_P3),
    ],
)
def test_a_profile_that_is_broken_or_for_other_colours_is_ignored(mode: str, profile: bytes) -> None:
    flat = Image.new("RGB", (64, 64), ORANGE).convert(mode)
    data = file(flat, "TIFF", icc_profile=profile)
    assert furthest(read(data).image, flat.convert("RGB")) == 0


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_become_eight(format: str) -> None:
    ramp = Image.fromarray(np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64))
    image = read(file(ramp, format)).image
    assert image.mode == "RGB"
    assert image.getextrema() == ((0, 255),) * 3
    assert abs(np.asarray(image).mean() - 127.5) < 1


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("colour", [ORANGE, (*ORANGE, 90)])
def test_sixteen_bits_of_colour_become_eight(ending: str, colour: tuple[int, ...]) -> None:
    pixels = np.full((60, 60, len(colour)), [value * 257 for value in colour], np.uint16)
    assert read(sixteen_bits(pixels, ending)).image.getpixel((30, 30)) == colour


def test_one_see_through_value_of_sixteen_bits_is_kept() -> None:
    values = np.full((60, 60), 0x8000, np.uint16)
    values[:30] = 0x8001  # the same in 8 bits
    image = read(with_chunk(sixteen_bits(values), b"tRNS", b"\x80\x00")).image
    assert (image.getpixel((5, 5)), image.getpixel((5, 55))) == ((128, 128, 128, 255), (128, 128, 128, 0))


@pytest.mark.parametrize(
    ("kind", "white", "largest"), [("f4", 1, 1), ("f4", 1, 1.2), ("f4", 255, 255), ("i4", 65535, 65535)]
)
def test_thirty_two_bits_and_floats_become_eight(kind: str, white: float, largest: float) -> None:
    values = np.linspace(0, largest, 64 * 64).reshape(64, 64).astype(kind)
    image = read(file(Image.fromarray(values), "TIFF")).image
    assert np.abs(np.asarray(image)[..., 0] - (values / white * 255).clip(0, 255)).max() <= 1


def test_values_that_are_no_numbers_are_black_and_the_rest_is_seen() -> None:
    values = np.full((60, 60), 0.5, np.float32)
    values[:30] = np.nan
    values[30, 0] = np.inf
    image = read(file(Image.fromarray(values), "TIFF")).image
    assert [image.getpixel(place)[0] for place in ((5, 5), (5, 55), (0, 30))] == [0, 128, 255]
