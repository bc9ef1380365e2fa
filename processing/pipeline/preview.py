"""Small pictures for pages. Light: no model, no OpenCV, so that thumbnails appear before the work begins."""

import io

from PIL import Image

from processing.header import Limits
from processing.pipeline.decode import decode
from processing.pipeline.layout import contained
from processing.pipeline.step import Made
from processing.recipe import SIZES

THUMBNAIL = SIZES["thumbnail"]
QUALITY = 70


def thumbnail(source: bytes, limits: Limits) -> Made:
    """The `source-thumbnail` of a photo as it came. Raises PhotoError as `header.judge` does."""
    image = decode(source, limits, about=2 * THUMBNAIL).image
    return variants_of(image, {"source-thumbnail": (THUMBNAIL, THUMBNAIL)})[0]


def variants_of(image: Image.Image, boxes: dict[str, tuple[int, int]], *, exif: bytes = b"") -> list[Made]:
    """A WEBP of `image` (RGB, RGBA or L) for each name, inside its width and height in px; never larger than it is.

    Each is made from the next larger one that has twice its size: that is quicker, and looks the same.
    """
    sizes = {name: contained(image.size, *box) for name, box in boxes.items()}
    made, copies = {}, [image]
    for name, size in sorted(sizes.items(), key=lambda item: item[1], reverse=True):
        near = next((copy for copy in reversed(copies) if copy.width >= 2 * size[0]), image)
        copies.append(_resized(near, size))
        out = io.BytesIO()
        # Method 2 and a lossy alpha: half the time and nearly the size of Pillow's defaults.
        copies[-1].save(out, "WEBP", quality=QUALITY, method=2, alpha_quality=80, exif=exif)
        made[name] = Made(name, out.getvalue(), "webp", *size)
    return [made[name] for name in boxes]


def reduced(image: Image.Image, side: int) -> Image.Image:
    """`image` itself where it fits into `side` px, else a smaller copy."""
    return _resized(image, contained(image.size, side, side))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Pillow weighs colours by their alpha, so that what is hidden does not shine through at the edges."""
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
