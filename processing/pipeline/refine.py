"""Makes the edge of a cut-out follow the photo, and takes the old background's colour out of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from processing import catalogue
from processing.pipeline import foreground, matting
from processing.pipeline.encode import on_white
from processing.pipeline.grid import Bytes, Grid, Plane
from processing.pipeline.mask import Doubt, smoothed, trimap, without_specks
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

WORK_AT = 512  # longest side, px, of the copy that is reckoned on; more only where the network sees more


@dataclass(frozen=True)
class Care:
    """How closely an edge is looked at: the copy's longest side (px), what is doubted, and the rounds of solving."""

    longest: int
    doubt: Doubt
    rounds: tuple[int, ...]


CARE = {
    "guided": Care(WORK_AT, Doubt(edge=0.4, thick=1.6, spread=5), (10, 5, 2)),
    "matting": Care(2 * WORK_AT, Doubt(edge=0.8, thick=1.2, spread=7), (30, 20, 10, 5)),
}


def refine(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The same cut-out with better edges. What was see-through before stays so, and keeps its colour."""
    pixels = np.array(picture.image)
    before = np.asarray(picture.original)[..., 3] if picture.original.mode == "RGBA" else None
    if before is not None:
        pixels[..., :3] = np.asarray(on_white(picture.original))
        pixels[..., 3] = np.minimum(255 * pixels[..., 3].astype(int) // np.maximum(before, 1), 255)
    network = max(catalogue.MODELS[recipe.model].input_size)
    care = CARE.get(recipe.refine, CARE["guided"])
    grid = Grid.of(pixels.shape, max(care.longest, network))
    small = grid.reduce(pixels)
    if recipe.refine != "none":
        small[..., 3] = without_specks(small[..., 3])
        pixels[..., 3] = _edges(pixels, grid, small, recipe.refine, max(grid.small) / network)
    if recipe.decontaminate:
        foreground.clean(pixels, grid, small[..., :3])
    if before is not None:
        _restore(pixels, before, picture)
    return [picture.having(Image.fromarray(pixels))]


def _edges(pixels: Bytes, grid: Grid, small: Plane, how: str, cell: float) -> Bytes:
    """The alpha of an RGBA picture, whose own is the network's mask; `small` is its copy on the grid."""
    if how == "smooth":
        smooth = cv2.resize(smoothed(small[..., 3], cell), grid.full[::-1], interpolation=cv2.INTER_CUBIC)
        return (255 * np.clip(smooth, 0, 1) + 0.5).astype(np.uint8)
    return matting.alpha_of(pixels, grid, small, trimap(small[..., 3], cell, CARE[how].doubt), CARE[how].rounds)


def _restore(pixels: Bytes, before: Bytes, picture: Picture) -> None:
    """What the photo's own transparency says, in place."""
    pixels[..., 3] = np.minimum(pixels[..., 3], before)
    np.copyto(pixels[..., :3], np.asarray(picture.original)[..., :3], where=before[..., np.newaxis] < 255)


STEP = Step(
    "refine",
    "Refining the edges",
    lambda recipe: recipe.remove_bg and (recipe.refine != "none" or recipe.decontaminate),
    refine,
)
