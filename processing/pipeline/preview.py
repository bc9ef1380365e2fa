"""Small pictures for pages. Light: no model, no OpenCV, so that thumbnails appear before the work begins."""

import io

from PIL import Image

from processing.header import Limits
from processing.pipeline.decode import decode
from processing.pipeline.encode import Made
from processing.recipe import SIZES

THUMBNAIL = SIZES["thumbnail"]
QUALITY = 70


def thumbnail(source: bytes, limits: Limits) -> Made:
    """The `source-thumbnail` of a photo as it came. Raises PhotoError as `header.judge` does."""
    _, image = decode(source, limits, about=2 * THUMBNAIL)
    return _small(image, "source-thumbnail", (THUMBNAIL, THUMBNAIL))


def variants_of(image: Image.Image, sizes: dict[str, tuple[int, int]]) -> list[Made]:
    """A WEBP of `image` for each name, inside its width and height in px; never larger than it is."""
    made: dict[str, Made] = {}
    for name, size in sorted(sizes.items(), key=lambda item: -max(item[1])):
        made[name] = _small(image, name, size)
    return [made[name] for name in sizes]


def _small(image: Image.Image, name: str, size: tuple[int, int]) -> Made:
    """A WEBP of `image` inside `size` px; never enlarges."""
    image = _inside(image, size)
    out = io.BytesIO()
    # Method 2 and a lossy alpha: half the time and nearly the size of Pillow's defaults.
    image.save(out, "WEBP", quality=QUALITY, method=2, alpha_quality=80)
    return Made(name, out.getvalue(), "webp", image.width, image.height)


def reduced(image: Image.Image, side: int) -> Image.Image:
    """`image` itself where it fits into `side` px, else a smaller copy."""
    return _inside(image, (side, side))


def _inside(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.width <= size[0] and image.height <= size[1]:
        return image
    copy = image.copy()
    copy.thumbnail(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return copy
