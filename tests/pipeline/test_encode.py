"""The result is a file of the asked format, and says nothing about where it was taken."""

import numpy as np
import pytest
from PIL import Image

from processing.pipeline.encode import encode, format_of
from processing.pipeline.run import run
from processing.recipe import Recipe

from .conftest import LIMITS, corners, file, opened


def cut_out() -> Image.Image:
    image = corners().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.paste((250, 10, 10, 0), (0, 0, 60, 40))
    return image


def test_auto_is_png_where_there_is_transparency_and_else_jpg() -> None:
    auto, opaque = Recipe(), corners().convert("RGBA")
    assert format_of(cut_out(), auto) == "png"
    assert format_of(opaque, auto) == "jpg"
    assert format_of(corners(), auto) == "jpg"
    assert format_of(corners(), Recipe(format="webp")) == "webp"


@pytest.mark.parametrize("format", ["png", "webp"])
def test_transparency_reaches_the_file(format: str) -> None:
    made = encode(cut_out(), "result", format, 90)
    alpha = np.asarray(opened(made.data).getchannel("A"))
    assert np.array_equal(alpha, np.asarray(cut_out().getchannel("A")))
    assert (made.width, made.height) == (120, 80)


def test_a_jpeg_shows_white_where_nothing_is() -> None:
    made = opened(encode(cut_out(), "result", "jpg", 95).data)
    assert made.format == "JPEG"
    assert min(made.getpixel((10, 10))) > 245


def test_colour_that_nobody_sees_is_not_stored() -> None:
    pixels = np.asarray(opened(encode(cut_out(), "result", "png", 85).data))
    assert pixels[pixels[..., 3] == 0].max() == 0
    assert np.array_equal(pixels[pixels[..., 3] > 0], np.asarray(cut_out())[pixels[..., 3] > 0])


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_lower_quality_makes_smaller_files(astronaut: Image.Image, format: str) -> None:
    low, high = (len(encode(astronaut, "result", format, quality).data) for quality in (20, 95))
    assert low * 3 < high


@pytest.mark.parametrize("format", ["png", "webp", "jpg"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_no_file_tells_where_or_with_what_it_was_taken(format: str, source: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    extra = {"comment": b"Camera maker"} if source == "JPEG" else {}
    data = file(corners(), source, exif=exif, dpi=(300, 300), **extra)
    for made in run(data, Recipe(remove_bg=False, format=format), limits=LIMITS).files:
        image = opened(made.data)
        assert not dict(image.getexif())
        assert not {"exif", "icc_profile", "xmp", "comment", "dpi"} & set(image.info)
        assert b"Camera maker" not in made.data
