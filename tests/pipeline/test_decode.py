"""Whatever comes in: upright, sRGB, 8 bits, RGB or RGBA."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processing.errors import PhotoError
from processing.pipeline.decode import ORIENTATION, UPRIGHT, decode

from .conftest import LIMITS, corners, file

Transpose = Image.Transpose
BACK = {Transpose.ROTATE_90: Transpose.ROTATE_270, Transpose.ROTATE_270: Transpose.ROTATE_90}


def decoded(data: bytes) -> Image.Image:
    return decode(data, LIMITS).image


def differs(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_gives_the_same_upright_picture(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turn = UPRIGHT.get(orientation)
    stored = corners() if turn is None else corners().transpose(BACK.get(turn, turn))
    image = decoded(file(stored, format, exif=exif))
    assert image.size == (120, 80)
    assert differs(image, corners()) < 6


def test_an_iphones_heic_is_turned_once() -> None:
    source = decode((Path(__file__).parent / "turned.heic").read_bytes(), LIMITS)
    assert (source.header.format, source.image.size) == ("heic", (64, 96))
    red, green, _ = source.image.getpixel((60, 5))
    assert (red > 240, 155 < green < 175) == (True, True)  # the orange quarter is top right


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_costs_only_the_orientation() -> None:
    image = decoded(file(corners(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffnonsense"))
    assert image.size == (120, 80)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_opaque_modes_become_rgb(mode: str) -> None:
    assert decoded(file(corners().convert(mode))).mode == "RGB"


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_kept(mode: str) -> None:
    see_through = corners().convert(mode)
    see_through.putalpha(90)
    assert decoded(file(see_through)).getpixel((5, 5))[3] == 90


def test_a_palettes_see_through_colour_is_kept() -> None:
    palette = corners().quantize(8)
    image = decoded(file(palette, transparency=palette.getpixel((5, 5))))
    assert image.getpixel((5, 5))[3] == 0
    assert image.getpixel((100, 5)) == (0, 255, 0, 255)


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    for format in ("GIF", "TIFF", "WEBP"):
        data = file(frames[0], format, save_all=True, append_images=frames[1:])
        assert decoded(data).getpixel((30, 30))[0] > 240


def test_a_file_cut_short_says_so() -> None:
    data = file(corners(), "JPEG")
    with pytest.raises(PhotoError, match="failed_to_read_image: The file cannot be read: it is cut short"):
        decoded(data[: len(data) * 2 // 3])
