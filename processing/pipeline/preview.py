"""Small pictures for pages. Light: no model, no OpenCV, so that thumbnails appear before the work begins."""

import io

from PIL import Image

from processing.header import Limits
from processing.pipeline.decode import decode
from processing.pipeline.encode import Made

THUMBNAIL = 320  # longest side, px
PREVIEW = 1024
QUALITY = 70


def thumbnail(source: bytes, limits: Limits) -> Made:
    """The `source-thumbnail` of a photo as it came. Raises PhotoError as `header.judge` does."""
    _, image = decode(source, limits, about=2 * THUMBNAIL)
    return small(image, "source-thumbnail", THUMBNAIL)


def small(image: Image.Image, name: str, side: int) -> Made:
    """A WEBP of `image` whose longest side is at most `side` px; never enlarges."""
    image = reduced(image, side)
    out = io.BytesIO()
    # Method 2 and a lossy alpha: half the time and nearly the size of Pillow's defaults.
    image.save(out, "WEBP", quality=QUALITY, method=2, alpha_quality=80)
    return Made(name, out.getvalue(), "webp", image.width, image.height)


def reduced(image: Image.Image, side: int) -> Image.Image:
    """`image` itself where it fits into `side` px, else a smaller copy."""
    if max(image.size) <= side:
        return image
    copy = image.copy()
    copy.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return copy
