"""Bytes in, picture out: upright, then sRGB, then 8 bits of RGB or RGBA, before anything else looks at it."""

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from processing import header
from processing.errors import PhotoError
from processing.header import Header, Limits
from processing.pipeline.colours import in_srgb
from processing.pipeline.metadata import credit_of

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


@dataclass(frozen=True)
class Source:
    """A file that has been read: `image` is its first frame, upright, sRGB, mode RGB or RGBA, without metadata.

    `credit` is what it says of its author, as `metadata.credit_of` gives it; `facts` are JSON-able.
    """

    header: Header
    image: Image.Image
    credit: dict[str, str]
    facts: dict[str, Any]


def decode(source: bytes, limits: Limits, *, about: int = 0) -> Source:
    """Read a file. Raises PhotoError as `header.judge` does.

    `about`: a longest side in px that is enough, where the format can be read at a reduced size (JPEG).
    """
    image = header.opened(io.BytesIO(source), len(source), limits, whole=True)
    found = header.describe(image)
    with header.reading():
        if about:
            image.draft(None, (about, about))
        image.load()
        credit = credit_of(image)
        image, colour = in_srgb(_turned_upright(image))
    image.info.clear()  # Pillow would write profile, EXIF and comments into the results
    return Source(found, image, credit, {"source_colour": colour} if colour else {})


def _turned_upright(image: Image.Image) -> Image.Image:
    try:
        with header.reading():
            turn = UPRIGHT.get(int(image.getexif().get(ORIENTATION, 1)))
    except PhotoError:  # broken EXIF says nothing about good pixels
        return image
    return image if turn is None else image.transpose(turn)
