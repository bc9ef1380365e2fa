"""The pixels of a Pillow picture as an array, strip by strip: asked for the whole, Pillow copies it three times."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from processing.pipeline.grid import Bytes

ROWS = 64  # in a strip: it stays in the processor's cache


def strips(image: Image.Image) -> Iterator[Image.Image]:
    """The picture from top to bottom, some rows at a time."""
    for top in range(0, image.height, ROWS):
        yield image.crop((0, top, image.width, min(top + ROWS, image.height)))


def under(alpha: Image.Image, image: Image.Image) -> Image.Image:
    """The colours of a picture (RGB or RGBA) under an alpha (L) of its size: RGBA."""
    pixels = np.empty((image.height, image.width, 4), np.uint8)
    for top, strip, mask in zip(range(0, image.height, ROWS), strips(image), strips(alpha), strict=True):
        strip.putalpha(mask)
        pixels[top : top + ROWS] = np.asarray(strip)
    return Image.fromarray(pixels)


def pixels_of(image: Image.Image) -> Bytes:
    """Height x width (x channels), to be changed at will."""
    bands = len(image.getbands())
    pixels = np.empty((image.height, image.width, bands)[: 3 if bands > 1 else 2], np.uint8)
    for top, strip in zip(range(0, image.height, ROWS), strips(image), strict=True):
        pixels[top : top + ROWS] = np.asarray(strip)
    return pixels
