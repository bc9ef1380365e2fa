"""Whatever comes in: upright, sRGB, 8 bits, RGB or RGBA."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from processing.errors import PhotoError
from processing.pipeline.decode import ORIENTATION, UPRIGHT, decode

from .conftest import LIMITS, corners, file

Transpose = Image.Transpose
BACK = {Transpose.ROTATE_90: Transpose.ROTATE_270, Transpose.ROTATE_270: Transpose.ROTATE_90}


def decoded(data: bytes) -> Image.Image:
    return decode(data, LIMITS)[1]


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
    found, image = decode((Path(__file__).parent / "turned.heic").read_bytes(), LIMITS)
    assert (found.format, image.size) == ("heic", (64, 96))
    red, green, _ = image.getpixel((60, 5))
    assert (red > 240, 155 < green < 175) == (True, True)  # the orange quarter is top right


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_costs_only_the_orientation() -> None:
    image = decoded(file(corners(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffnonsense"))
    assert image.size == (120, 80)


def display_p3() -> bytes:
    """A Display-P3 profile: sRGB's curves with P3's primaries (as XYZ at D50, ICC's s15Fixed16)."""
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, values in primaries.items():
        entry = profile.index(tag, 128)
        start = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        profile[start : start + 12] = b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "P3P3".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_display_p3_is_shifted_to_srgb(mode: str) -> None:
    flat = Image.new("RGB", (64, 64), (200, 100, 50)).convert(mode)
    colour = decoded(file(flat, icc_profile=display_p3())).getpixel((30, 30))
    assert np.abs(np.subtract(colour[:3], (214, 94, 33))).max() <= 3  # the same colour by the two spaces' matrices
    assert colour[3:] == ((255,) if mode == "RGBA" else ())


def test_srgb_and_broken_profiles_change_nothing() -> None:
    flat = Image.new("RGB", (64, 64), (200, 100, 50))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile at all", display_p3()[:300]):
        assert decoded(file(flat, icc_profile=profile)).getpixel((30, 30)) == (200, 100, 50)


def test_sixteen_bits_become_eight() -> None:
    ramp = Image.fromarray(np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64))
    for format in ("PNG", "TIFF"):
        image = decoded(file(ramp, format))
        assert image.mode == "RGB"
        assert image.getextrema() == ((0, 255),) * 3
        assert abs(np.asarray(image).mean() - 127.5) < 1


def test_floats_become_eight_bits() -> None:
    ramp = Image.fromarray(np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64))
    assert abs(np.asarray(decoded(file(ramp, "TIFF"))).mean() - 127.5) < 1


def test_print_colours_become_screen_colours() -> None:
    image = decoded(file(corners().convert("CMYK"), "JPEG", quality=95))
    assert image.mode == "RGB"
    assert differs(image, corners()) < 12


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
