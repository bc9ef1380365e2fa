"""Small pictures for pages. Light: no model, no OpenCV, so that thumbnails appear before the work begins."""

import io
from collections.abc import Callable

from PIL import Image

from processing.header import Limits
from processing.pipeline.decode import decode
from processing.pipeline.layout import Size, contained
from processing.pipeline.metadata import exif_of
from processing.pipeline.step import Made
from processing.recipe import MOST_SIDE

QUALITY = 70
DPI = 300
OWN = Limits(max_bytes=10**12, min_side=1, max_side=MOST_SIDE)  # what we made ourselves was judged before


def small(file: bytes, name: str, box: tuple[int, int], limits: Limits) -> Made:
    """One small picture of a stored file, upright, inside `box` (width and height in px).

    What the file says of its author stays, where it is a result. Raises PhotoError as `header.judge` does.
    """
    read = decode(file, limits, about=2 * max(box))
    exif = exif_of(read.credit, DPI) if read.credit and limits is OWN else b""
    return variants_of(read.image, {name: box}, exif=exif)[0]


def resized(image: Image.Image, size: Size) -> Image.Image:
    """Pillow weighs colours by their alpha, so that what is hidden does not shine through at the edges."""
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def variants_of(
    image: Image.Image, boxes: dict[str, tuple[int, int]], *, exif: bytes = b"",
    resize: Callable[[Image.Image, Size], Image.Image] = resized,
) -> list[Made]:  # fmt: skip
    """A WEBP of `image` (RGB, RGBA or L) for each name, inside its width and height in px; never larger than it is.

    Each is made from the next larger one that has twice its size: that is quicker, and looks the same.
    """
    sizes = {name: contained(image.size, *box) for name, box in boxes.items()}
    made, copies = {}, [image]
    for name, size in sorted(sizes.items(), key=lambda item: item[1], reverse=True):
        near = next((copy for copy in reversed(copies) if copy.width >= 2 * size[0]), image)
        copies.append(resize(near, size))
        out = io.BytesIO()
        # Method 2 and a lossy alpha: half the time and nearly the size of Pillow's defaults.
        copies[-1].save(out, "WEBP", quality=QUALITY, method=2, alpha_quality=80, exif=exif)
        made[name] = Made(name, out.getvalue(), "webp", *size)
    return [made[name] for name in boxes]


def reduced(image: Image.Image, side: int) -> Image.Image:
    """`image` itself where it fits into `side` px, else a smaller copy."""
    return resized(image, contained(image.size, side, side))
