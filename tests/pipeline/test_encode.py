"""The result is a file of the asked format, quality, size and resolution."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline.encode import encode, format_of
from processing.pipeline.step import Made, Picture
from processing.recipe import Recipe

from .conftest import corners, opened

FORMATS = ["png", "webp", "jpg", "avif"]


def written(image: Image.Image, format: str = "auto", **options: Any) -> Made:
    return encode(Picture(image, image), "result", Recipe(format=format, **options))


def cut_out() -> Image.Image:
    image = corners().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.paste((250, 10, 10, 0), (0, 0, 60, 40))
    return image


def soft(photo: Image.Image) -> Image.Image:
    """A photo that fades away downwards."""
    image = photo.copy()
    image.putalpha(Image.linear_gradient("L").resize(photo.size))
    return image


def differs(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def test_auto_is_png_where_there_is_transparency_and_else_jpg() -> None:
    auto, opaque = Recipe(), corners().convert("RGBA")
    assert format_of(cut_out(), auto) == "png"
    assert format_of(opaque, auto) == "jpg"
    assert format_of(corners(), auto) == "jpg"
    assert format_of(corners().convert("L"), auto) == "png"
    assert format_of(corners(), Recipe(format="webp")) == "webp"


@pytest.mark.parametrize("effort", ["fast", "small"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_photo_reaches_the_file(astronaut: Image.Image, format: str, effort: str) -> None:
    made = written(astronaut, format, quality=90, effort=effort)
    result = opened(made.data)
    assert (result.format, result.mode, result.size) == ({"jpg": "JPEG"}.get(format, format.upper()), "RGB", (512, 512))
    assert (made.format, made.width, made.height) == (format, 512, 512)
    assert differs(result, astronaut) <= (0 if format == "png" else 3)
    assert made.facts == ({} if format == "png" else {"quality": 90})


@pytest.mark.parametrize("format", ["png", "webp"])
@pytest.mark.parametrize("effort", ["fast", "small"])
def test_transparency_reaches_the_file(format: str, effort: str) -> None:
    alpha = opened(written(cut_out(), format, effort=effort).data).getchannel("A")
    assert np.array_equal(np.asarray(alpha), np.asarray(cut_out().getchannel("A")))


def test_a_webp_of_low_quality_saves_on_its_transparency_too() -> None:
    noise = Image.new("RGB", (400, 400))
    noise.putalpha(Image.effect_noise((400, 400), 90))
    assert len(written(noise, "webp", quality=1).data) * 3 < len(written(noise, "webp", quality=50).data)


def test_transparency_reaches_an_avif_nearly(astronaut: Image.Image) -> None:
    result = opened(written(soft(astronaut), "avif", quality=80).data)
    assert result.mode == "RGBA"
    assert differs(result.getchannel("A"), soft(astronaut).getchannel("A")) < 2


def test_a_jpeg_shows_white_where_nothing_is() -> None:
    made = opened(written(cut_out(), "jpg", quality=95).data)
    assert made.mode == "RGB"
    assert min(made.getpixel((10, 10))) > 245


@pytest.mark.parametrize("format", FORMATS)
def test_a_mask_is_written_in_grey(astronaut: Image.Image, format: str) -> None:
    mask = astronaut.convert("L")
    result = opened(written(mask, format, quality=90).data)
    assert result.mode == ("L" if format in ("png", "jpg") else "RGB")  # the others have no grey
    assert differs(result.convert("L"), mask) <= (0 if format == "png" else 3)


def test_colour_that_nobody_sees_is_not_stored(astronaut: Image.Image) -> None:
    pixels = np.asarray(opened(written(cut_out(), "png").data))
    assert pixels[pixels[..., 3] == 0].max() == 0
    assert np.array_equal(pixels[pixels[..., 3] > 0], np.asarray(cut_out())[pixels[..., 3] > 0])
    hidden = astronaut.copy()
    hidden.putalpha(Image.new("L", astronaut.size))
    hidden.putpixel((0, 0), (0, 0, 0, 255))
    for format in ("webp", "avif"):
        assert len(written(hidden, format).data) < 3_000


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_lower_quality_makes_smaller_files(astronaut: Image.Image, format: str) -> None:
    low, middle, usual, high = (len(written(astronaut, format, quality=quality).data) for quality in (1, 50, 85, 95))
    assert low * 2 < middle < usual * 0.75 < high * 0.5


@pytest.mark.parametrize("format", FORMATS)
def test_small_is_smaller_than_fast(astronaut: Image.Image, format: str) -> None:
    fast, small = (len(written(astronaut, format, effort=effort).data) for effort in ("fast", "small"))
    assert small < fast


def test_fine_quality_keeps_the_colour_of_single_pixels() -> None:
    stripes = Image.fromarray(np.tile(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), (64, 32, 1)))
    for format in ("jpg", "avif"):
        fine, usual = (differs(opened(written(stripes, format, quality=quality).data), stripes) for quality in (95, 85))
        assert fine < 8 < usual


# ---- at most so many bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["auto", "jpg", "webp", "avif"])
def test_the_highest_quality_that_fits_is_found(astronaut: Image.Image, format: str) -> None:
    made = written(astronaut, format, max_bytes=20_000)
    quality = made.facts["quality"]
    assert len(made.data) <= 20_000 < len(written(astronaut, format, quality=quality + 1).data)
    assert made.data == written(astronaut, format, quality=quality).data
    assert "over_max_bytes" not in made.facts


def test_what_fits_keeps_the_quality_asked_for(astronaut: Image.Image) -> None:
    assert written(astronaut, max_bytes=1_000_000, quality=60).facts == {"quality": 60}


@pytest.mark.parametrize("quality", [1, 2, 85])
@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_what_never_fits_is_as_small_as_it_gets_and_says_so(format: str, quality: int) -> None:
    noise = Image.effect_noise((600, 600), 90).convert("RGB")
    made = written(noise, format, quality=quality, max_bytes=1000)
    assert made.data == written(noise, format, quality=1).data
    assert made.facts == {"quality": 1, "over_max_bytes": len(made.data)}


def test_a_cut_out_that_does_not_fit_becomes_a_webp_where_the_format_is_open(astronaut: Image.Image) -> None:
    assert written(soft(astronaut), max_bytes=900_000).format == "png"
    made = written(soft(astronaut), max_bytes=30_000)
    assert (made.format, opened(made.data).format, opened(made.data).mode) == ("webp", "WEBP", "RGBA")
    assert len(made.data) <= 30_000
    assert 20 < made.facts["quality"] < 85


def test_a_png_is_packed_better_and_then_loses_colours(astronaut: Image.Image) -> None:
    fast, small = (len(written(soft(astronaut), "png", effort=effort).data) for effort in ("fast", "small"))
    assert len(written(soft(astronaut), "png", max_bytes=fast).data) == fast
    packed = written(soft(astronaut), "png", max_bytes=fast - 1)
    assert (len(packed.data), opened(packed.data).mode) == (small, "RGBA")
    palette = written(soft(astronaut), "png", max_bytes=small - 1)
    result = opened(palette.data)
    assert (result.format, result.mode, palette.facts) == ("PNG", "P", {})
    assert differs(result.convert("RGBA").getchannel("A"), soft(astronaut).getchannel("A")) < 12
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize(("format", "longest"), [("webp", 16_383), ("jpg", 65_500), ("avif", 32_768)])
def test_a_photo_that_is_longer_than_a_format_can_hold_says_so(format: str, longest: int) -> None:
    assert written(Image.new("RGB", (longest, 1)), format=format).width == longest
    with pytest.raises(PhotoError) as caught:
        written(Image.new("RGB", (1, longest + 1)), format=format)
    assert caught.value.code == "resolution_too_high"


def test_a_photo_too_long_for_a_webp_stays_a_png() -> None:
    made = written(Image.new("RGBA", (16_384, 3), "#12345678"), format="auto", max_bytes=1000)
    assert (made.format, made.width) == ("png", 16_384)


def test_a_png_that_never_fits_says_so(astronaut: Image.Image) -> None:
    made = written(soft(astronaut), "png", max_bytes=1000)
    assert opened(made.data).mode == "P"
    assert made.facts == {"over_max_bytes": len(made.data)}


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_every_kind_of_picture_can_be_made_to_fit(astronaut: Image.Image, mode: str) -> None:
    image = soft(astronaut) if mode == "RGBA" else astronaut.convert(mode)
    for format in ("auto", *FORMATS):
        assert opened(written(image, format, max_bytes=1000).data).size == (512, 512)
