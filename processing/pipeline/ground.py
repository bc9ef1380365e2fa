"""What lies behind the subject: a colour, a picture, or the photo's own scene blurred."""

import cv2
import numpy as np
from PIL import Image, ImageColor

from processing.pipeline.layout import Layout, Size, covering
from processing.pipeline.scale import scaled

WORK_AT = 512  # longest side, px, of the copy that is blurred
BLUR = 0.03  # the blur's sigma, in longest sides of the canvas
FAR = 0.01  # how much the scene's mean colour weighs where the subject hides all that is near


def plain(colour: str, size: Size) -> Image.Image:
    """A colour, see-through as far as its hex digits say: mode RGB or RGBA."""
    values = (*ImageColor.getrgb(colour), 255)[:4]
    mode = "RGB" if values[3] == 255 else "RGBA"
    return Image.new(mode, size, values[: len(mode)])


def filling(picture: Image.Image, size: Size) -> Image.Image:
    """The middle of a picture (RGB), filling a canvas of `size` px."""
    return scaled(picture.crop(covering((0, 0, *picture.size), size)), size)


def blurred(scene: Image.Image, subject: Image.Image | None, layout: Layout) -> Image.Image:
    """The scene (RGB) blurred, as it lies behind the canvas. Beyond its edges it is mirrored.

    `subject` (mode L, of the scene's size) is left out, so that it has no halo: the blur is normalised, of what is
    seen of the background alone, divided by how much of it is seen.
    """
    seen = _without(scene, subject)
    sharp = _behind(seen, layout).astype(np.float32)
    blur = cv2.GaussianBlur(sharp, (0, 0), BLUR * max(sharp.shape[:2]), borderType=cv2.BORDER_REFLECT)
    mean = np.array(cv2.mean(seen), np.float32)
    weighed = blur + mean * (FAR * 255 / mean[3])
    colours = (weighed[..., :3] / weighed[..., 3:] * 255).clip(0, 255).astype(np.uint8)
    return Image.fromarray(cv2.resize(colours, layout.canvas, interpolation=cv2.INTER_CUBIC))


def _without(scene: Image.Image, subject: Image.Image | None) -> np.ndarray:
    """The scene with a hole where the subject is: RGBA, weighed by alpha. Where all is subject: the scene itself.

    Masks are seldom quite solid, so what is half subject is hidden already.
    """
    hole = scene.convert("RGBA")
    if subject is not None and np.asarray(subject).min() < 128:
        hole.putalpha(subject.point([max(0, 255 - 2 * alpha) for alpha in range(256)]))
    return cv2.cvtColor(np.asarray(hole), cv2.COLOR_RGBA2mRGBA)


def _behind(scene: np.ndarray, layout: Layout) -> np.ndarray:
    """The canvas, reduced to WORK_AT px, filled with what of the scene lies there."""
    factor = min(1.0, WORK_AT / max(layout.canvas))
    reduced = max(1, round(layout.canvas[0] * factor)), max(1, round(layout.canvas[1] * factor))
    axes = [_axis(scene.shape[1 - n], layout, n, layout.canvas[n] / reduced[n]) for n in (0, 1)]
    scene = cv2.resize(scene, (axes[0][0], axes[1][0]), interpolation=cv2.INTER_AREA)
    move = np.array([[axes[0][1], 0, axes[0][2]], [0, axes[1][1], axes[1][2]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(scene, move, reduced, flags=flags, borderMode=cv2.BORDER_REFLECT)


def _axis(side: int, layout: Layout, n: int, step: float) -> tuple[int, float, float]:
    """Along x (n = 0) or y: to how many px the scene is reduced, so that one of them is about `step` px of the canvas,
    then the factor and the shift that lead from a step to the px there (counted by their middles).
    """
    scale = (layout.part[n + 2] - layout.part[n]) / layout.size[n]  # px of the scene in one of the canvas
    fewer = max(1, round(side / max(1.0, step * scale)))
    first = layout.part[n] + (step / 2 - layout.place[n]) * scale
    return fewer, step * scale * fewer / side, first * fewer / side - 0.5
