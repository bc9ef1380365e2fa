"""The result as a file: PNG, WEBP or JPEG, without metadata."""

import io
from dataclasses import dataclass

from PIL import Image

from processing.pipeline.step import Picture
from processing.recipe import Recipe


@dataclass(frozen=True)
class Made:
    """One file made from a photo: its variant's `name`, `format` (png webp jpg), size in px."""

    name: str
    data: bytes
    format: str
    width: int
    height: int


def format_of(image: Image.Image, recipe: Recipe) -> str:
    """png, webp or jpg: `auto` is png where there is transparency, else jpg."""
    if recipe.format != "auto":
        return recipe.format
    return "png" if _see_through(image) else "jpg"


def encode(picture: Picture, name: str, recipe: Recipe) -> Made:
    """Write a picture as the recipe wants it; JPEG, which knows no transparency, gets a white ground."""
    image, quality = picture.image, recipe.quality
    format = format_of(image, recipe)
    out = io.BytesIO()
    if format == "jpg":
        on_white(image).save(out, "JPEG", quality=quality)
    elif format == "webp":
        image.save(out, "WEBP", quality=quality, method=1)  # half the time of method 4, files a sixth larger
    else:
        _lean(image).save(out, "PNG", compress_level=1)  # a quarter of the time of level 6, files 20% larger
    return Made(name, out.getvalue(), format, image.width, image.height)


def on_white(image: Image.Image) -> Image.Image:
    """An RGB picture: what can be seen through shows white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _lean(image: Image.Image) -> Image.Image:
    """Without what nobody sees: colour under full transparency (half of a PNG), or an alpha that hides nothing."""
    if not _see_through(image):
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size)
    ground.paste(image, mask=image.getchannel("A").point([0] + [255] * 255))
    return ground


def _see_through(image: Image.Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
