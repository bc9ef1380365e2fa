"""Puts the subject into its frame: trimmed, padded, fitted, with its shadow on its background."""

from dataclasses import replace

from PIL import Image

from processing.pipeline import ground, trim
from processing.pipeline.encode import on_white
from processing.pipeline.layout import Layout, lay_out
from processing.pipeline.scale import scaled
from processing.pipeline.shadow import shadow_of
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe


def frame(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The picture in its frame; the mask alone (mode L) where the recipe wants that.

    Raises PhotoError `resolution_too_high` where the frame grows beyond what files can hold.
    """
    image = picture.image
    box = trim.box_of(image) if recipe.trim else (0, 0, *image.size)
    layout = lay_out(box, recipe)
    if recipe.channels == "alpha":
        framed = placed(mask_of(image), layout)
    else:
        framed = placed(image, layout)
        if framed.mode == "RGBA":
            framed = grounded(framed, picture, layout, recipe)
    facts = {"trim_box": list(box)} if recipe.trim else {}
    return [replace(picture.having(framed, **facts, canvas=list(layout.canvas)), scene=None, ground=None)]


def mask_of(image: Image.Image) -> Image.Image:
    """How much each pixel belongs to the subject: mode L. Of an opaque picture all does."""
    return image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)


def placed(image: Image.Image, layout: Layout) -> Image.Image:
    """The picture where the layout puts it; around it nothing, so that RGB becomes RGBA."""
    if layout.part != (0, 0, *image.size):
        image = image.crop(layout.part)
    image = scaled(image, layout.size)
    if layout.is_full:
        return image
    if image.mode == "RGB":
        image = image.convert("RGBA")
    canvas = Image.new(image.mode, layout.canvas)
    canvas.paste(image, layout.place)
    return canvas


def grounded(subject: Image.Image, picture: Picture, layout: Layout, recipe: Recipe) -> Image.Image:
    """The subject (RGBA) over its shadow over its background: RGB where that is opaque."""
    behind = _behind(picture, layout, recipe)
    if recipe.shadow == "soft":
        shadow = Image.new("RGBA", layout.canvas)
        shadow.putalpha(shadow_of(subject.getchannel("A")))
        behind = _over(shadow, behind)
    return _over(subject, behind)


def _behind(picture: Picture, layout: Layout, recipe: Recipe) -> Image.Image | None:
    if recipe.background == "transparent":
        return None
    if picture.ground:
        return ground.filling(picture.ground, layout.canvas)
    if recipe.background != "blur":
        return ground.plain(recipe.background, layout.canvas)
    assert picture.scene
    subject = picture.image.getchannel("A") if picture.image.mode == "RGBA" else None
    return ground.blurred(on_white(picture.scene), subject, layout)


def _over(top: Image.Image, below: Image.Image | None) -> Image.Image:
    """RGBA over whatever is below (Porter and Duff's operator)."""
    if below is None:
        return top
    if below.mode == "RGBA":
        return Image.alpha_composite(below, top)
    below.paste(top, mask=top.getchannel("A"))
    return below


def _wanted(recipe: Recipe) -> bool:
    return (
        recipe.trim
        or recipe.padding != "0"
        or bool(recipe.size)
        or recipe.background != "transparent"
        or recipe.shadow != "none"
        or recipe.channels == "alpha"
    )


STEP = Step("frame", "Framing", _wanted, frame)
