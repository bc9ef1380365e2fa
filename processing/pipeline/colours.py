"""Colours as sRGB means them, in 8 bits, whatever a file keeps them in."""

import io

import numpy as np
from PIL import Image, ImageChops, ImageCms
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from processing.pipeline.metadata import cleaned

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
SAME = 2  # of 255: profiles that mean sRGB differ by their rounding
LONGEST_NAME = 60
_LEVELS = np.array([0, 16, 64, 128, 192, 255], np.uint8)
_SWATCHES = {
    "L": Image.linear_gradient("L"),
    "RGB": Image.fromarray(np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), -1).reshape(6, 36, 3)),
}


def in_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """The picture in sRGB, mode RGB or RGBA, and the name of the colour space that it came in; "" where it is sRGB.

    A profile that is broken, or that is for other colours than these, is ignored.
    """
    plain = _eight_bits(image)
    if plain.mode in ("RGB", "RGBA") and not image.info.get("icc_profile"):
        return plain, ""
    colours, alpha = plain, None
    if plain.mode in ("LA", "RGBA"):
        colours, alpha = plain.convert(plain.mode[:-1]), plain.getchannel("A")
    try:
        converted, name = _converted(colours, image.info.get("icc_profile"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        converted, name = colours.convert("RGB"), _unmanaged(colours)
    if alpha is not None:
        converted.putalpha(alpha)
    return converted, name


def _converted(colours: Image.Image, embedded: bytes | None) -> tuple[Image.Image, str]:
    """By littleCMS, mode RGB. Raises what ImageCms raises about a profile that does not fit."""
    if colours.mode == "LAB":
        profile = LAB
    elif embedded:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
    else:
        return colours.convert("RGB"), _unmanaged(colours)
    if colours.mode == "L" and profile.profile.xcolor_space.strip() == "RGB":
        colours = colours.convert("RGB")
    transform = ImageCms.buildTransform(profile, SRGB, colours.mode, "RGB")
    if _changes_nothing(transform, colours.mode):
        return _in_mode(colours, "RGB"), ""
    name = "Lab" if profile is LAB else cleaned(profile.profile.profile_description)[:LONGEST_NAME] or "unnamed"
    converted = ImageCms.applyTransform(colours, transform)
    assert converted is not None  # None is for work in place
    return converted, name


def _unmanaged(colours: Image.Image) -> str:
    return {"CMYK": "CMYK", "LAB": "Lab"}.get(colours.mode, "")


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it leaves colours as they are: tried out, as a profile's name may say anything."""
    if mode not in _SWATCHES:
        return False
    after = ImageCms.applyTransform(_SWATCHES[mode], transform)
    assert after is not None
    change = ImageChops.difference(_SWATCHES[mode].convert("RGB"), after)
    return int(np.asarray(change).max()) <= SAME


def _eight_bits(image: Image.Image) -> Image.Image:
    """Mode L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode.startswith(("I", "F")):
        return _scaled(image)
    if image.mode in ("CMYK", "LAB"):
        return image
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return _in_mode(image, "LA" if grey else "RGBA")
    return _in_mode(image, "L" if grey else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # which would copy it


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits or floats as grey of 8: mode L, or LA where one value is see-through."""
    values = np.asarray(image)
    if image.mode == "I" and values.min() < -0x8000:  # Pillow takes 32 bits without a sign for such with one
        values = values.view(np.uint32)
    values = values.astype(np.float32)
    largest = float(values.max(initial=0, where=np.isfinite(values)))
    grey = np.nan_to_num(values / _white(image.mode, largest) * 255).clip(0, 255).round().astype(np.uint8)
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC_INTERPRETATION) == 0:  # zero is white, which Pillow heeds in 8 bits
        grey = 255 - grey
    scaled = Image.fromarray(grey)
    if (hidden := image.info.get("transparency")) is not None:
        scaled.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    return scaled


def _white(mode: str, largest: float) -> float:
    """What stands for white. A file of 32 bits or floats does not say it: it is told by the largest value."""
    if mode.startswith("I;16"):
        return 65535.0
    if mode == "F" and largest <= 2:  # highlights may go beyond 1
        return 1.0
    return next((white for white in (255.0, 65535.0) if largest <= white), largest)
