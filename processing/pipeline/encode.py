"""The result as a file: PNG, WEBP, JPEG or AVIF, with its resolution, and of the source's metadata the credit alone."""

import io
import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from processing.errors import PhotoError
from processing.pipeline import png
from processing.pipeline.metadata import exif_of
from processing.pipeline.pixels import strips
from processing.pipeline.step import Made, Picture
from processing.recipe import Recipe

# Measured on photos and cut-outs of 1.5 and 12 megapixels: `small` saves about a tenth for 2 to 10 times the time.
LOSSY: dict[str, dict[str, dict[str, Any]]] = {
    "jpg": {"fast": {}, "small": {"progressive": True}},
    "webp": {"fast": {"method": 2}, "small": {"method": 5}},  # 6 takes ten times as long where there is transparency
    "avif": {"fast": {"speed": 9}, "small": {"speed": 6}},
}
PILLOW_NAMES = {"jpg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
LONGEST = {"jpg": 65_500, "webp": 16_383, "avif": 32_768}  # px a side that the libraries write, and read again
FINE = 90  # the quality from which JPEG and AVIF keep colour at full resolution; WEBP keeps all of alpha from 50
INCH = 0.0254  # m
PNG_HEAD = 33  # bytes of the signature and the header chunk


def format_of(image: Image.Image, recipe: Recipe) -> str:
    """png, webp, jpg or avif: `auto` is png where there is transparency or nothing but a mask, else jpg."""
    if recipe.format != "auto":
        return recipe.format
    return "png" if image.mode == "L" or _see_through(image) else "jpg"


def encode(picture: Picture, name: str, recipe: Recipe) -> Made:
    """Write a picture (RGB, RGBA or L) as the recipe wants it; JPEG, which knows no transparency, gets a white ground.

    With `max_bytes` the quality falls until the file fits; a PNG loses colours, or is a WEBP where the format is
    `auto`. Facts: `quality`, where the format has one; `over_max_bytes`, the bytes of a file that never fits.
    Raises PhotoError `resolution_too_high` where a side is longer than the format can hold.
    """
    image, format, most = _seen(picture.image), format_of(picture.image, recipe), recipe.max_bytes or sys.maxsize
    data, facts = b"", dict[str, Any]()
    if format == "png":
        data = _png(image, recipe, picture.credit, most)
        if len(data) > most and recipe.format == "auto" and max(image.size) <= LONGEST["webp"]:
            format = "webp"
    if format != "png":
        _check_sides(image, LONGEST[format])
        data, facts["quality"] = _best_fitting(_writer(image, format, recipe, picture.credit), recipe.quality, most)
    if len(data) > most:
        facts["over_max_bytes"] = len(data)
    return Made(name, data, format, image.width, image.height, facts)


def on_white(image: Image.Image) -> Image.Image:
    """`over` white."""
    return over("white", image)


def over(colour: str, image: Image.Image) -> Image.Image:
    """An RGB picture: what can be seen through shows the colour. What is not RGBA stays as it is."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, colour)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _check_sides(image: Image.Image, longest: int) -> None:
    if max(image.size) > longest:
        size, limit = f"{image.width}x{image.height}", f"{longest}x{longest}"
        raise PhotoError("resolution_too_high", size=size, limit=limit)


def _seen(image: Image.Image) -> Image.Image:
    """Without an alpha that hides nothing."""
    return image.convert("RGB") if image.mode == "RGBA" and not _see_through(image) else image


def _see_through(image: Image.Image) -> bool:
    """Whether anything can be seen through. Asked of some rows after the other: in a cut-out the first ones tell."""
    if image.mode != "RGBA":
        return False
    return any(strip.getchannel("A").getextrema() != (255, 255) for strip in strips(image))


# ---- formats with a quality ----------------------------------------------------------------------------------------


def _writer(image: Image.Image, format: str, recipe: Recipe, credit: dict[str, str]) -> Callable[[int], bytes]:
    """What writes the picture at a quality."""
    options: dict[str, Any] = LOSSY[format][recipe.effort] | {"dpi": (recipe.dpi, recipe.dpi)}
    if format == "jpg":
        image = on_white(image)
    if format == "avif":
        image = Image.fromarray(png.lean(image))  # libwebp does so itself
        options["max_threads"] = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: as many as there are cores
    if credit or format != "jpg":  # JPEG has a place of its own for the resolution
        options["exif"] = exif_of(credit, recipe.dpi)

    def write(quality: int) -> bytes:
        out = io.BytesIO()
        finer = {"subsampling": "4:4:4" if quality >= FINE else "4:2:0", "alpha_quality": min(100, 2 * quality)}
        image.save(out, PILLOW_NAMES[format], quality=quality, **finer, **options)
        return out.getvalue()

    return write


def _best_fitting(write: Callable[[int], bytes], quality: int, most: int) -> tuple[bytes, int]:
    """The file at the highest quality, `quality` at most, that has `most` bytes; at quality 1 where none has."""
    files = {quality: write(quality)}
    if len(files[quality]) <= most:
        return files[quality], quality

    def size(quality: int) -> int:
        files[quality] = write(quality)
        return len(files[quality])

    best = max(1, bisect_right(range(1, quality), most, key=size))
    return files[best], best


# ---- PNG -----------------------------------------------------------------------------------------------------------


def _png(image: Image.Image, recipe: Recipe, credit: dict[str, str], most: int) -> bytes:
    """The first of `_pngs` that has at most `most` bytes; the smallest where none has."""
    per_metre = round(recipe.dpi / INCH)
    chunks = png.chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1))
    if credit:
        chunks += png.chunk(b"eXIf", exif_of(credit, recipe.dpi).removeprefix(b"Exif\0\0"))
    smallest = b""
    for bare in _pngs(image, recipe):
        data = bare[:PNG_HEAD] + chunks + bare[PNG_HEAD:]
        smallest = min(smallest or data, data, key=len)
        if len(smallest) <= most:
            break
    return smallest


def _pngs(image: Image.Image, recipe: Recipe) -> Iterator[bytes]:
    """The picture as PNG; where no other format is allowed, then packed better, then with 256 colours."""
    if recipe.effort == "fast":
        yield png.quick(image)
    if recipe.effort == "small" or recipe.format == "png":
        yield png.small(image)
    if recipe.format == "png":
        out = io.BytesIO()
        Image.fromarray(png.lean(image)).quantize(256).save(out, "PNG")
        yield out.getvalue()
