"""Bytes in, picture out: upright, then sRGB, then 8 bits of RGB or RGBA, before anything else looks at it."""

import io

import numpy as np
from PIL import Image, ImageCms

from processing import header
from processing.errors import PhotoError
from processing.header import Header, Limits

ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def decode(source: bytes, limits: Limits, *, about: int = 0) -> tuple[Header, Image.Image]:
    """The header of a file and its first frame: upright, sRGB, mode RGB or RGBA, without metadata.

    `about`: a longest side in px that is enough, where the format can be read at a reduced size (JPEG).
    Raises PhotoError as `header.judge` does.
    """
    image = header.opened(io.BytesIO(source), len(source), limits)
    found = header.describe(image)
    with header.reading():
        if about:
            image.draft(None, (about, about))
        image.load()
        image = _eight_bits(_srgb(_turned_upright(image)))
    image.info.clear()  # Pillow would write profile, EXIF and comments into the results
    return found, image


def _turned_upright(image: Image.Image) -> Image.Image:
    try:
        with header.reading():
            turn = UPRIGHT.get(int(image.getexif().get(ORIENTATION, 1)))
    except PhotoError:  # broken EXIF says nothing about good pixels
        return image
    return image if turn is None else image.transpose(turn)


def _srgb(image: Image.Image) -> Image.Image:
    """Colours as sRGB means them. A broken or unfitting profile is ignored."""
    try:
        profile = _profile(image)
        if profile is None or "srgb" in ImageCms.getProfileDescription(profile).lower():
            return image
        return _converted(image, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    embedded = image.info.get("icc_profile")
    return ImageCms.ImageCmsProfile(io.BytesIO(embedded)) if embedded else None


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    if image.mode not in ("L", "CMYK", "LAB"):
        image = _eight_bits(image)
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    converted = ImageCms.profileToProfile(colours, profile, SRGB, outputMode="RGB")
    if converted is None:
        return image
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _scaled(image)
    see_through = image.has_transparency_data
    return image.convert("RGBA" if see_through else "RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats as grey of 8; floats of 0 to 1 and plain bytes are told by their largest."""
    values = np.asarray(image, dtype=np.float32)
    largest = float(np.nanmax(values))
    if image.mode.startswith("I;16") or largest > 255:
        white = 65535.0
    else:
        white = 1.0 if image.mode == "F" and largest <= 1 else 255.0
    return Image.fromarray(np.nan_to_num(values / white * 255).clip(0, 255).round().astype(np.uint8))
