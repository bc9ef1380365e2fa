"""Pictures for tests, and for what runs without Django."""

import io

from PIL import Image, ImageDraw


def picture(width: int = 80, height: int = 60, format: str = "JPEG", colour: str = "teal", **options: object) -> bytes:
    """The bytes of a picture with a subject: a disc on a plain ground."""
    out, image = io.BytesIO(), Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(image).ellipse((width // 4, height // 5, width * 3 // 4, height * 4 // 5), fill="gold")
    image.save(out, format, **options)
    return out.getvalue()
